# stdin: ""
# stdout: "ok\n"
import bisect, collections, copy, csv, datetime, decimal, fractions, functools, hashlib, heapq, itertools, json, math
import operator, os, pprint, queue, random, re, statistics, string, struct, sys, textwrap, time, typing, zlib

print("ok")
