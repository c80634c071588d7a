# stdout: 'main\nthread\n'
import threading
import time


def last():
    time.sleep(0.1)
    print("thread")


threading.Thread(target=last).start()
print("main")
