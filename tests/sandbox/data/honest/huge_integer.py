# stdin: ""
# stdout: "9999\n"
print(len(str(7**11831)))
