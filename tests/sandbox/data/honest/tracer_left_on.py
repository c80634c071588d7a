# stdout: 'done\n'
import sys

events = 0


def trace(frame, event, argument):
    global events
    events += 1
    return trace


def work():
    return events


sys.settrace(trace)
sys.setprofile(lambda frame, event, argument: work)
work()
print("done")
