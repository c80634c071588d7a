# stdin: "żółć 你好\n"
# stdout: "ćłóż 好你\n"
print(" ".join(word[::-1] for word in input().split()))
