# limits: disk_mb=8
made = 0
try:
    for number in range(200000):
        open(f"/tmp/{number}", "w").close()
        made += 1
except OSError:
    pass
print("ESCAPED" if made >= 200000 else "held")
