# stdin-bytes: ff00fe0a
# stdout-bytes: ff00fe0a
print(input())
