import os

os.umask(0)
for number in range(50):
    os.close(os.open(f"/tmp/file-{number}", os.O_CREAT | os.O_WRONLY, 0))
    os.mkdir(f"/tmp/directory-{number}", 0o700)
    os.mkdir(f"/tmp/directory-{number}/inner", 0o000)
    os.mkdir(f"/tmp/moved-{number}", 0o000)
    os.symlink("/", f"/tmp/directory-{number}/link")
    os.mkfifo(f"/tmp/directory-{number}/pipe", 0)
    os.chmod(f"/tmp/directory-{number}", 0)
