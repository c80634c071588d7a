import gc

for thing in gc.get_objects():
    if isinstance(thing, (bytes, str)) and "TUPTUO-DETCEPXE-TERCES"[::-1] in str(thing):
        print("ESCAPED")
