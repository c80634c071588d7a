"""Score one math and one code rollout, and exit with 0 when both earned what they are worth.

Asks again for five minutes: servers may still be starting, and workers may have to be scaled up from none.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

SECONDS = 300
MATH = {"kind": "math", "answer": "0.5"}
CODE = {"kind": "code", "language": "python", "tests": [{"stdin": "1 2\n", "stdout": "3\n"}]}
SUM = "```python\nprint(sum(map(int, input().split())))\n```"
ROLLOUTS = [
    {"id": "math", "prompt": "1/4 + 1/4", "completion": "<think>Halves.</think>\\boxed{\\frac12}", "task": MATH},
    {"id": "code", "prompt": "Add them.", "completion": f"<think>Add.</think>{SUM}", "task": CODE},
]


def main() -> int:
    """Ask until both are scored, or time is up."""
    end = time.monotonic() + SECONDS
    said = None
    while time.monotonic() < end:
        try:
            said = results(end - time.monotonic())
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code != 503:
                said = f"{error}: {error.read(2000)!r}"
                break
            said = str(error)
        else:
            if all(result["status"] == "scored" for result in said):
                break
        time.sleep(2)
    print(json.dumps(said, indent=2))
    return 0 if isinstance(said, list) and all(result.get("verdict") in ("correct", "accepted") for result in said) else 1


def results(seconds: float) -> list:
    """One batch."""
    headers = {"Content-Type": "application/json"}
    token = os.environ.get("SERVER_TOKENS", "").split(",")[0].strip()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = json.dumps({"rollouts": ROLLOUTS}).encode()
    request = urllib.request.Request(os.environ["SERVER_URL"] + "/v1/score", body, headers)
    with urllib.request.urlopen(request, timeout=seconds) as response:
        return json.load(response)["results"]


sys.exit(main())
