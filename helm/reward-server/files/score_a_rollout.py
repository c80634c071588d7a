"""Score one math and one code rollout, and exit with 0 when both earned what they are worth.

Asks again for five minutes: servers may still be starting, and workers may have to be scaled up from none.
"""

import json
import os
import sys
import time

import httpx

SECONDS = 300
MATH = {"kind": "math", "answer": "0.5"}
CODE = {"kind": "code", "language": "python", "tests": [{"stdin": "1 2\n", "stdout": "3\n"}]}
SUM = "```python\nprint(sum(map(int, input().split())))\n```"
ROLLOUTS = [
    {"id": "math", "prompt": "1/4 + 1/4", "completion": "<think>Halves.</think>\\boxed{\\frac12}", "task": MATH},
    {"id": "code", "prompt": "Add them.", "completion": f"<think>Add.</think>{SUM}", "task": CODE},
]


def main() -> int:
    """Ask until both are scored, the server refuses, or time is up."""
    end = time.monotonic() + SECONDS
    said = "no answer"
    done = False
    while not done and time.monotonic() < end:
        try:
            response = ask(end - time.monotonic())
        except httpx.TransportError as error:
            said = repr(error)
        else:
            said = response.text
            done = response.status_code not in (200, 502, 503, 504) or scored(response)
        if not done:
            time.sleep(2)
    sys.stdout.write(said + "\n")
    return 0 if done and response.is_success and right(response) else 1


def ask(seconds: float) -> httpx.Response:
    """One batch."""
    token = os.environ.get("SERVER_TOKENS", "").split(",")[0].strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = os.environ["SERVER_URL"] + "/v1/score"
    return httpx.post(url, content=json.dumps({"rollouts": ROLLOUTS}), headers=headers, timeout=seconds)


def scored(response: httpx.Response) -> bool:
    """What is unscored was not judged yet."""
    return response.status_code == 200 and all(each["status"] == "scored" for each in response.json()["results"])


def right(response: httpx.Response) -> bool:
    """Both answers are right, so anything else is the service's doing."""
    return [each["verdict"] for each in response.json()["results"]] == ["correct", "accepted"]


sys.exit(main())
