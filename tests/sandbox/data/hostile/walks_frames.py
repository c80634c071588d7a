import sys

frame = sys._getframe()
while frame is not None:
    for name, value in {**frame.f_globals, **frame.f_locals}.items():
        if "expected" in name or "answer" in name or "nonce" in name:
            print("ESCAPED", name)
    frame = frame.f_back
