# stdin: ""
# stdout: "alive\ngone\n"


class Noisy:
    def __del__(self):
        print("gone")


noisy = Noisy()
print("alive")
