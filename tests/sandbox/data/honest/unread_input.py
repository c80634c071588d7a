# stdin-size: 5000000
# stdout: "fine\n"
print("fine")
