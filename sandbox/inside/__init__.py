"""What runs inside the jail: the zygote, the init of each submission, and the process that becomes the program.

These modules are copied into the jail, so they import the standard library and each other, nothing else.
"""
