"""Assertions about objects: what works across the border, what the test must be refused for, what no program can use."""

# ruff: noqa: E501 - a program a line

from __future__ import annotations

import pytest

from sandbox.models import AssertTest, BadJobError, JudgeJob, JudgeResult, Limits, Verdict
from tests.sandbox.conftest import Bench

LIMITS = Limits(cpu_seconds=1.0, wall_seconds=2.0)


def asserted(bench: Bench, code: str, source: str, fn_name: str | None = None, **job: bool) -> JudgeResult:
    return bench.decide(JudgeJob(code, "python", (AssertTest(source),), fn_name, LIMITS, **job))


HONEST = {
    "membership, where methods are called like those of a list": ("class LinkedList:\n    def __init__(s): s.d = []\n    def append(s, x): s.d.append(x.lower())\n    def __contains__(s, x): return x.lower() in s.d", "def test_it():\n    l = LinkedList()\n    l.append('A')\n    assert 'a' in l and 'A' in l and 'b' not in l"),
    "types that nobody imported": ("def f(x): return x", "def make(xs: List[int], more: Optional[int] = None) -> Deque[int]: return deque(xs)\nassert f(make([1])) == deque([1]) and f(Counter('aab')) == {'a': 2, 'b': 1} and f(inf) == inf > 3"),
    "a built-in by another, with all of it": ("def sum(xs): return 7", "from solution import *\nassert sum([1]) == 7"),
    "an exception called like a built-in one": ("class TimeoutError(Exception):\n    code = 3\ndef f(x):\n    if x: raise TimeoutError('late')", "try: f(1)\nexcept TimeoutError as e: assert e.code == 3 and str(e) == 'late'\nelse: assert False"),
    "copies of objects": ("import copy\nclass M:\n    def __init__(s, a): s.a, s.l = a, [a]\n    def __copy__(s):\n        m = M(s.a + 1)\n        m.l = s.l\n        return m\ndef make(a): return M(a)", "import copy\nm = M(1)\nn, o = copy.copy(m), copy.deepcopy(m)\nm.l.append(5)\nassert (n.a, o.a, n.l, o.l) == (2, 1, [1, 5], [1]) and copy.copy(make(3)).a == 4 and isinstance(o, M)"),
    "values of derived classes, compared with each other": ("from collections import namedtuple\nfrom enum import IntEnum, IntFlag\nP = namedtuple('P', 'x y')\nclass C(IntEnum):\n    A = 1\n    B = 2\nclass F(IntFlag):\n    R = 1\n    W = 2\nclass L(list):\n    def top(s): return s[-1]\ndef f(): return P(1, 2)\ndef same(x): return x", "assert P(1, 2) == P(1, 2) == f() and f() == f() and f() == (1, 2) and P(1, 2) in [f()] and {P(1, 2): 5}[f()] == 5\nassert not P(1, 2) != same(P(1, 2)) and len({f(), P(1, 2)}) == 1 and sorted([P(2, 1), f()])[0] == f() and max(f(), P(0, 0)) == (1, 2)\nassert C.A < C.B and (F.R | F.W) == 3 and L([1]) == L([1]) and L([1]) != L([2]) and L([1, 2]).top() == 2"),
    "slices": ("class V:\n    def __init__(s, x): s.x = x\n    def __getitem__(s, i): return s.x[i]", "v = V([1, 2, 3])\nassert v[0:2] == [1, 2] and v[::-1] == [3, 2, 1] and v[0] == 1 and v.x == [1, 2, 3]"),
    "an exception that is returned and given back": ("def divide(a, b): return ZeroDivisionError('x') if b == 0 else a / b\ndef fmt(x): return str(x)", "assert fmt(divide(1, 0)) == 'x' and fmt(divide(1, 2)) == '0.5'"),
    "spans of time of numpy's": ("import numpy as np\ndef f(x): return np.datetime64('2024-01-0%d' % x)\ndef g(d): return d / np.timedelta64(1, 'D')", "assert g(f(2) - f(1)) == 1"),
    "functions of the test's, told apart": ("class Bus:\n    def __init__(s): s.h = []\n    def on(s, f): s.h.append(f)\n    def off(s, f): s.h.remove(f)\n    def has(s, f): return f in s.h\nimport functools\ndef deco(f):\n    @functools.wraps(f)\n    def w(*a): return f(*a) + 1\n    return w", "def f(x):\n    'Says x.'\n    return x\ndef g(x): return x\nb = Bus()\nb.on(f)\nb.on(g)\nassert b.has(f)\nb.off(f)\nassert b.has(g) and not b.has(f)\nassert deco(f)(1) == 2 and deco(f).__doc__ == 'Says x.'"),
    "paths and identifiers": ("from pathlib import Path\nimport uuid\ndef f(p): return Path(p) / 'x', uuid.UUID(int=5)", "from pathlib import Path\nimport uuid\np, u = f(Path('a'))\nassert p == Path('a/x') and p.name == 'x' and u == uuid.UUID(int=5)"),
    "what is inside of an argument, changed in place": ("def f(rows):\n    for row in rows: row.sort()\n    rows.reverse()\ndef g(d): d['x'].append(1)\ndef h(rows): rows[0] = [9]", "a, b = [2, 1], [4, 3]\nrows = [a, b]\nf(rows)\nassert a == [1, 2] and b == [3, 4] and rows[0] is b and rows[1] is a\nf([a, b])\nx = []\ng({'x': x})\ng({'x': x})\nassert x == [1, 1]\nh(rows)\nassert rows == [[9], [1, 2]] and b == [3, 4]"),
    "what is inside of what is inside": ("def f(t): t[0]['k'][1].add(5)", "s = {1}\nl = [0, s]\nd = {'k': l}\nf([d])\nassert s == {1, 5} and d == {'k': [0, {1, 5}]} and d['k'] is l and l[1] is s"),
    "an OrderedDict that is changed in place": ("def f(d):\n    d.move_to_end('a')\n    d['c'] = 3\n    d.popitem(last=False)", "from collections import OrderedDict\nd = OrderedDict(a=1, b=2)\nf(d)\nassert list(d) == ['a', 'c'] and d == OrderedDict(a=1, c=3) and len(d) == 2"),
    "a defaultdict": ("from collections import defaultdict\nclass G:\n    def __init__(s): s.adj = defaultdict(list)\n    def add(s, a, b): s.adj[a].append(b)\ndef f(): return defaultdict(lambda: 7, {1: 2})\ndef g(d):\n    d['new'] += 1\n    return d", "from collections import defaultdict\nx = G()\nx.add('a', 'b')\nassert x.adj['a'] == ['b'] and x.adj['z'] == [] and x.adj == {'a': ['b'], 'z': []} and isinstance(x.adj, defaultdict)\nd = f()\nassert d == {1: 2} and d[5] == 7\ne = defaultdict(int)\nassert g(e) is e and e == {'new': 1} and g(defaultdict(lambda: 4)) == {'new': 5}"),
    "membership as its class has it": ("class Words:\n    def __init__(s): s.w = []\n    def learn(s, w): s.w.append(w.lower())\n    def __contains__(s, w): return w.lower() in s.w", "w = Words()\nw.learn('Cat')\nassert 'CAT' in w and 'dog' not in w"),
    "a member of what has no end": ("def f():\n    n = 0\n    while True:\n        yield n\n        n += 1", "assert 7 in f()"),
    "hashes as its class has them": ("class P:\n    def __init__(s, x): s.x = x\n    def __hash__(s): return 5 + s.x", "p, q = P(1), P(2)\nassert hash(p) == 6 and p.x == 1 and len({p, q}) == 2 and {p: 'a', q: 'b'}[p] == 'a'"),
    "what cannot be hashed": ("from dataclasses import dataclass\n@dataclass\nclass P: x: int", "p = P(1)\ntry: {p}\nexcept TypeError: pass\nelse: assert False\nassert p.x == 1"),
    "an iterator is its own": ("def f(): yield 1\nclass C:\n    def __iter__(s): return s\n    def __next__(s): raise StopIteration", "g, c = f(), C()\nassert iter(g) is g and iter(c) is c and list(c) == [] and list(g) == [1]"),
    "a generator is one": ("def f():\n    yield 1\n    yield 2", "import inspect, types\ng = f()\nassert isinstance(g, types.GeneratorType) and inspect.isgenerator(g) and next(g) == 1 and list(g) == [2]"),
    "names of classes, and what is written about them": ("class Dog:\n    'A dog.'\n    def __init__(s): s.a = 1\ndef f(x: int) -> str:\n    'Says it.'\n    return 'x'", "d = Dog()\nassert type(d).__name__ == 'Dog' == d.__class__.__name__ and Dog.__doc__ == 'A dog.' and f.__doc__ == 'Says it.' and f.__annotations__ == {'x': int, 'return': str} and d.a == 1"),
    "a method of Solution that the task names": ("class Solution:\n    def twoSum(self, nums, t): return [0, 1]", "import solution\nassert solution.Solution().twoSum([1], 2) == [0, 1]"),
    "a built-in that is to be written, beside names of the test's": ("def pow(x, n): return x ** n + 1\ndef sum(xs): return 7", "import math\nfor xs, e in [([1], 7)]: assert sum(xs) == e and math.isclose(pow(2.0, 3), 9.0)"),
    "an iterator that starts anew": ("class CD:\n    def __init__(s,n): s.n=n\n    def __iter__(s):\n        s.c=s.n\n        return s\n    def __next__(s):\n        if s.c<=0: raise StopIteration\n        s.c-=1\n        return s.c+1", "assert list(CD(3)) == [3,2,1]"),
    "an iterator that is not iterable": ("class CD:\n    def __init__(s,n): s.n=n\n    def __next__(s):\n        s.n-=1\n        return s.n", "c=CD(3)\nassert next(c) == 2 and next(c)==1"),
    "a class below OrderedDict": ("from collections import OrderedDict\nclass LRUCache(OrderedDict):\n    def __init__(self, capacity):\n        super().__init__()\n        self.capacity = capacity\n    def get(self, key):\n        if key not in self: return -1\n        self.move_to_end(key)\n        return self[key]\n    def put(self, key, value):\n        self[key] = value\n        self.move_to_end(key)\n        if len(self) > self.capacity: self.popitem(last=False)", "c = LRUCache(2)\nc.put(1,1)\nc.put(2,2)\nassert c.get(1) == 1\nc.put(3,3)\nassert c.get(2) == -1 and len(c) == 2"),
    "a class below list": ("class Stack(list):\n    def push(self,x): self.append(x)\n    def peek(self): return self[-1]", "s = Stack()\ns.push(1)\nassert s.peek() == 1 and s == [1] and len(s) == 1 and s[0] == 1 and isinstance(s, list)"),
    "a named tuple": ("from collections import namedtuple\nP=namedtuple('P','x y')\ndef f(a): return P(a, a+1)", "assert f(1).x == 1 and f(1) == (1,2) and f(1) + (3,) == (1,2,3)\na, b = f(3)\nassert b == 4 and hash(f(1)) == hash((1,2))"),
    "an IntEnum": ("from enum import IntEnum\nclass C(IntEnum):\n    RED=1\ndef f(): return C.RED", "assert f().name == 'RED' and f() == 1 and f() + 1 == 2 and f() < 2"),
    "an Enum": ("from enum import Enum\nclass C(Enum):\n    RED=1\n    BLUE=2\ndef f(): return C.RED", "assert f() == C.RED and f() is C.RED and f() != C.BLUE and C.RED.value == 1 and [c.name for c in C] == ['RED', 'BLUE'] and C['BLUE'] is C.BLUE"),
    "a str Enum": ("from enum import Enum\nclass C(str, Enum):\n    RED='r'", "assert C.RED.value == 'r' and C('r') == C.RED == 'r'"),
    "items put and dropped": ("class M:\n    def __init__(s): s.d={}\n    def __setitem__(s,k,v): s.d[k]=v\n    def __getitem__(s,k): return s.d[k]\n    def __delitem__(s,k): del s.d[k]\n    def __len__(s): return len(s.d)", "m=M()\nm['a']=1\nm[2]=3\nassert m['a']==1\ndel m['a']\nassert len(m) == 1"),
    "an attribute set": ("class N:\n    def __init__(s,v): s.v=v\n    def get(s): return s.v", "n=N(1)\nn.v=5\nassert n.get()==5"),
    "nodes that are walked": ("class N:\n    def __init__(s,v,n=None): s.val, s.next = v, n\ndef f(xs):\n    head = None\n    for x in reversed(xs): head = N(x, head)\n    return head", "n, seen = f([1,2,3]), []\nwhile n:\n    seen.append(n.val)\n    n = n.next\nassert seen == [1,2,3] and f([]) is None"),
    "a context manager": ("from contextlib import contextmanager\n@contextmanager\ndef ctx(x):\n    yield x+1\nclass C:\n    def __enter__(s): return 3\n    def __exit__(s,*a): return False", "with ctx(1) as v:\n    assert v == 2\nwith C() as v:\n    assert v == 3"),
    "a coroutine": ("async def f(x): return x+1", "import asyncio\nassert asyncio.run(f(1)) == 2\nasync def both(): return await f(1) + await f(2)\nassert asyncio.run(both()) == 5"),
    "a decorator of the program's": ("import functools\ndef deco(g):\n    @functools.wraps(g)\n    def w(*a, **k): return g.__name__, g(*a, **k)*2\n    return w", "@deco\ndef add(a,b=0): return a+b\nassert add(1,b=2)==('add', 6)"),
    "exceptions with ancestors and attributes": ("class A(Exception):\n    def __init__(s, code=7):\n        super().__init__(f'code {code}')\n        s.code=code\nclass B(A): pass\ndef f(): raise B()", "try:\n    f()\nexcept A as e:\n    assert e.code==7 and str(e)=='code 7' and isinstance(e, B)\nelse:\n    assert False"),
    "an exception with its base alone in the test": ("class A(ValueError): pass\nclass B(A): pass\ndef f(x): raise (B if x else A)(x)", "for x in (0, 1):\n    try:\n        f(x)\n    except A as e:\n        assert e.args == (x,)\n    else:\n        assert False"),
    "the program leaves, as expected": ("import sys\ndef f(): sys.exit(3)", "try:\n    f()\nexcept SystemExit as e:\n    assert e.code == 3\nelse:\n    assert False"),
    "a cached function": ("from functools import lru_cache\n@lru_cache(None)\ndef f(n): return n if n<2 else f(n-1)+f(n-2)", "f.cache_clear()\nassert f(30)==832040 and f.cache_info().currsize == 31"),
    "attributes of a function": ("def f(x):\n    f.calls = getattr(f,'calls',0)+1\n    return x", "f(1)\nf(2)\nassert f.calls == 2 and f.__name__=='f'\nf.calls = 0\nf(1)\nassert f.calls == 1"),
    "a global that changes": ("n = 0\nxs = []\ndef inc():\n    global n\n    n += 1\n    xs.append(n)", "assert n == 0\ninc()\ninc()\nassert n == 2 and xs == [1, 2]"),
    "what was given comes back": ("def f(x):\n    x.sort()\n    return x", "a=[2,1]\nb=f(a)\nassert b is a and a == [1,2]"),
    "a named argument changed in place": ("def f(nums): nums.sort()", "a=[2,1]\nf(nums=a)\nassert a==[1,2]"),
    "bytes that change": ("def f(b):\n    b[0]=65\n    return bytearray(b'x')", "b=bytearray(b'xyz')\nassert f(b) == bytearray(b'x') and b==bytearray(b'Ayz')"),
    "kinds of dicts": ("from collections import Counter, OrderedDict, defaultdict\ndef f(): return Counter('aab'), OrderedDict([(2,1),(1,2)]), defaultdict(int, {1:2})", "from collections import Counter, OrderedDict\nc, o, d = f()\nassert c.most_common(1) == [('a',2)] and o == OrderedDict([(2,1),(1,2)]) and list(o) == [2,1] and o != OrderedDict([(1,2),(2,1)]) and d == {1:2}"),
    "classes and their instances": ("class A: pass\nclass B(A): pass\ndef make(): return B()", "assert issubclass(B, A) and not issubclass(A, B) and isinstance(B(), A) and isinstance(make(), B) and not isinstance(A(), B) and not isinstance(3, A)"),
    "iterators and generators given": ("def f(it): return sum(it)", "assert f(iter([1,2,3]))==6 and f(x*x for x in [1,2,3])==14 and f(map(int, '123')) == 6"),
    "a test that asks for the module": ("def f(x): return x + 1", "from solution import f\nimport solution\nassert f(1) == 2 and solution.f(2) == 3"),
    "a name of a built-in": ("def pow(a, b): return a ** b + 1\ndef sum(*a): return 7", "from solution import pow\nimport solution\ndef test_one():\n    assert pow(2, 3) == 9 and solution.sum(1, 2) == 7 and sum([1, 2]) == 3"),
    "a name that is made up": ("def foo(x): return x", "import solution\nassert getattr(solution, 'f' + 'oo')(1) == 1 and not hasattr(solution, 'bar')"),
    "a global that cannot cross": ("node = None\nfor _ in range(300): node = [node]\ncount = []\ncount.append(count)\nsieve = bytearray(200 << 20)\ndef f(a): return a", "node = 3\nsieve = [1]\nassert f(node) == 3 and [1].count(1) == 1 and f(sieve) == [1]"),
    "globals that a context manager changes": ("from contextlib import contextmanager\nL = []\n@contextmanager\ndef cm():\n    L.append('in')\n    yield 5\n    L.append('out')\ndef g():\n    L.append('g')\n    yield 1", "with cm() as x:\n    assert x == 5 and L == ['in']\nassert L == ['in', 'out'] and list(g()) == [1] and L[2:] == ['g']"),
    "a coroutine on its way back": ("import asyncio\nasync def f(x): return x + 1\ndef run(c): return asyncio.run(c)", "assert run(f(1)) == 2"),
    "types given and taken": ("def f(kind, x):\n    try: return kind(x)\n    except ValueError: return int\ndef g(kind): raise kind('no')", "assert f(int, '3') == 3 and f(int, 'x') is int\ntry: g(KeyError)\nexcept KeyError: pass\nelse: assert False"),
    "a test function that is called, and counts": ("n = []\ndef f(): n.append(1)\ndef g(): return len(n)", "def test_one():\n    f()\n    assert g() == 1\ntest_one()"),
    "a class of tests that nobody runs": ("def f(x): return x + 1", "class TestF:\n    def setup_method(self, method): self.x = method.__name__ and 1\n    def test_one(self):\n        assert f(self.x) == 2"),
    "what pytest prepares": ("def f(x): return x + 1", "n = 0\ndef setup_module():\n    global n\n    n = 1\ndef test_one():\n    'Says what it is.'\n    assert f(n) == 2 and test_one.__doc__\nclass TestF:\n    def setup_class(self): self.n = 2\n    def test_one(self): assert f(self.n) == 3\nclass TestNone:\n    __test__ = False\n    def test_one(self): assert f(1) == 9"),
    "a decorated test that is called, and counts": ("n = []\ndef f():\n    n.append(1)\n    return len(n)", "def twice(g):\n    def w(): g()\n    return w\n@twice\ndef test_one():\n    assert f() == 1\ntest_one()"),
    "an asynchronous test function": ("async def f(x): return x + 1", "async def test_one():\n    assert await f(1) == 2"),
    "names of the test's own": ("count = 0\nresult = None\nok = True\ndef f(x):\n    global count, result, ok\n    count, result, ok = count + 1, x, False\n    return x + 1", "count, result, ok = 0, None, True\nfor a in (1, 2):\n    if f(a) == a + 1: count += 1\nassert count == 2 and result is None and ok"),
    "a global that is replaced": ("board = [0, 0]\ndef move(i):\n    global board\n    board = [*board]\n    board[i] = 1\n    return board", "before = board\nafter = move(0)\nassert before == [0, 0] and after == board == [1, 0]"),
    "a global that is gone through": ("from collections import OrderedDict, deque\nod, q = OrderedDict(a=1, b=2), deque([1, 2])\ndef f(k):\n    od[k] += 1\n    q[0] += 1\n    return od[k]", "for k in od: assert f(k) in (2, 3)\nassert q[0] == 3 and all(f('a') for _ in q)"),
    "a built-in by another name": ("to_int = int", "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertEqual(to_int('3'), 3)"),
    "a global that the test changes": ("items = []\nclass A: v = 1\ndef f(): return 1", "import solution\nitems.append(1)\nassert A().v == 1 and f() == 1 and items == [1] and solution.items is items"),
    "large globals that are read": ("PRIMES = list(range(100_000))\nGRID = [[0] * 300 for _ in range(300)]\ndef f(n): yield from PRIMES[:n]\nclass A: v = 1", "from itertools import islice\na = A()\nassert all(a.v == 1 for _ in range(200)) and list(islice(f(500), 300)) == PRIMES[:300] and len(GRID) == 300"),
    "a module of the library's called like a global": ("e = 2\npi = 3\nmath = None\ndef f(x): return x", "from math import *\nassert f(1) == 1 and e > 2.7 and pi > 3.1 and math.floor(1.5) == 1"),
    "test functions that nobody calls": ("def f(x): return x + 1", "def test_one():\n    assert f(1) == 2\ndef test_two():\n    assert f(2) == 3"),
    "test cases that nobody runs": ("def f(x): return x + 1", "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertEqual(f(1), 2)"),
    "test cases that run themselves": ("def f(x): return x + 1", "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertEqual(f(1), 2)\nif __name__ == '__main__':\n    unittest.main()"),
    "an attribute deleted": ("class P:\n    def __init__(s,x): s.x=x", "p=P(1)\ndel p.x\nassert not hasattr(p,'x')"),
    "a list of the program's own kind": ("class L(list):\n    def own(s): return 1\ndef f(x): return L(x)", "r=f([3,1])\nassert r==[3,1] and r.index(1)==1 and len(r)==2 and r[0]==3\nr.append(4)\nassert r[-1]==4 and list(r)==[3,1,4]\nassert r.own()==1"),
    "a comparison that is called back": ("import functools\nclass Heap:\n    def __init__(s,c): s.cmp=c; s.l=[]\n    def push(s,x): s.l.append(x)\n    def pop(s):\n        s.l.sort(key=functools.cmp_to_key(lambda a,b: -1 if s.cmp(a,b) else 1)); return s.l.pop(0)", "h=Heap(lambda a,b: a<b); h.push(3); h.push(1); assert h.pop()==1"),
    "children appended": ("class Node:\n    def __init__(s,v): s.v=v; s.children=[]\ndef depth(r): return 1+max([depth(c) for c in r.children], default=0)", "r=Node(1)\nr.children.append(Node(2))\nr.children[0].children.append(Node(3))\nassert depth(r)==3"),
    "a dict of an object changed": ("class Inv:\n    def __init__(s): s.items={}\n    def total(s): return sum(s.items.values())", "inv=Inv()\ninv.items['a']=5\ninv.items['b']=6\nassert inv.total()==11"),
    "a dict of a class changed": ("class Cfg:\n    d={}\ndef get(k): return Cfg.d.get(k)", "Cfg.d['x']=1\nassert get('x')==1"),
    "a global that the test fills": ("REG={}\ndef get(k): return REG.get(k)", "REG['x']=1\nassert get('x')==1"),
    "a global that the test empties": ("cache={}\ndef f(k):\n    cache[k]=cache.get(k,0)+1\n    return cache[k]", "assert f('a')==1\nassert f('a')==2\ncache.clear()\nassert f('a')==1\nassert cache=={'a':1}"),
    "an attribute that both sides have": ("class S:\n    def __init__(s): s.items=[]\n    def push(s,x): s.items.append(x)", "s=S()\nit=s.items\ns.push(1)\nassert it==[1]\nit.append(5)\ns.push(2)\nassert it==[1,5,2]\nassert s.items==[1,5,2]"),
    "lists in a dict of an object": ("class G:\n    def __init__(s): s.adj={}\n    def n(s): return sum(len(v) for v in s.adj.values())", "g=G()\ng.adj['a']=[]\ng.adj['a'].append('b')\ng.adj['a'].append('c')\nassert g.n()==2"),
    "a hundred calls back and forth": ("def memoize(f):\n    c={}\n    def w(*a):\n        if a not in c: c[a]=f(*a)\n        return c[a]\n    return w", "@memoize\ndef fib(n): return n if n<2 else fib(n-1)+fib(n-2)\nassert fib(100)==354224848179261915075"),
    "objects put in order": ("class P:\n    def __init__(s,a): s.a=a\ndef srt(l): l.sort(key=lambda p:p.a)", "ps=[P(3),P(1)]\nsrt(ps)\nassert [p.a for p in ps]==[1,3]"),
    "an array changed in place": ("def f(a):\n    a.sort(); return a", "import numpy as np\na=np.array([3,1,2]); r=f(a); assert (a==np.array([1,2,3])).all() and r is a"),
    "a built-in exception by another name": ("MyErr=ValueError\ndef f(): raise MyErr('x')", "try:\n    f(); assert False\nexcept MyErr: pass"),
    "a library's class beside all of the program's": ("import numpy as np\nfrom collections import Counter\ndef f(x): return Counter(x)", "from collections import Counter\nfrom solution import *\nassert isinstance(f([1]),Counter)"),
    "threads of the test": ("import threading\nclass C:\n    def __init__(s): s.n=0\n    def inc(s): s.n+=1", "import threading\nc=C()\nts=[threading.Thread(target=c.inc) for _ in range(8)]\n[t.start() for t in ts]; [t.join() for t in ts]\nassert c.n==8"),
    "the test's own file": ("def f(): return 1", "import os,sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\nassert f()==1"),
    "a class of a module called so": ("from datetime import datetime\ndef nd(d): return d.day", "assert nd(datetime.strptime('2024-01-05','%Y-%m-%d'))==5"),
    "rows of their own": ("def grid(n): return [[0]*n for _ in range(n)]", "g=grid(3); g[0][0]=1; assert g[1][0]==0 and g[0][0]==1"),
    "a deep copy": ("import copy\ndef deep_copy(x): return copy.deepcopy(x)", "o=[[1],{'a':[2]}]; c=deep_copy(o); c[0].append(9); c[1]['a'].append(3); assert o==[[1],{'a':[2]}] and c==[[1,9],{'a':[2,3]}] and c[0] is not o[0]"),
    "a shallow copy": ("def cp(x): return list(x)", "o=[[1],[2]]; c=cp(o); assert c is not o and c[0] is o[0]; c[0].append(5); assert o[0]==[1,5]"),
    "a list handed out as a copy": ("class A:\n    def __init__(s): s.h=[]\n    def history(s): return list(s.h)", "a=A(); a.history().append(1); assert a.history()==[]"),
    "a list taken as a copy": ("class A:\n    def __init__(s,l): s.h=list(l)\n    def size(s): return len(s.h)", "l=[1,2]; a=A(l); l.append(3); assert a.size()==2"),
    "a list that the program fills later": ("class Logger:\n    def __init__(s,o): s.o=o\n    def log(s,m): s.o.append(m)", "out=[]; l=Logger(out); l.log('a'); l.log('b'); assert out==['a','b']"),
    "observers": ("class S:\n    def __init__(s): s.f=[]\n    def sub(s,f): s.f.append(f)\n    def fire(s,x):\n        for f in s.f: f(x)", "got=[]; s=S(); s.sub(got.append); s.sub(lambda x: got.append(x*2)); s.fire(3); assert got==[3,6]"),
    "the same list, changed on": ("def f(a): a.append(1); return a", "l=[]; r=f(l); assert r is l and l==[1]; r.append(2); assert l==[1,2]"),
    "a default of its own": ("def f(x, acc=None):\n    acc=[] if acc is None else acc\n    acc.append(x); return acc", "assert f(1)==[1]\nassert f(2)==[2]"),
    "lists by key": ("class G:\n    def __init__(s): s.d={}\n    def __getitem__(s,k): return s.d.setdefault(k,[])\n    def n(s): return sum(map(len,s.d.values()))", "g=G(); g['a'].append(1); g['a'].append(2); g['b'].append(3); assert g.n()==3"),
    "rows gone through": ("class M:\n    def __init__(s): s.r=[[1],[2]]\n    def __iter__(s): return iter(s.r)\n    def total(s): return sum(map(sum,s.r))", "m=M()\nfor r in m: r.append(10)\nassert m.total()==23"),
    "a graph of nodes": ("class Node:\n    def __init__(s,n): s.name=n; s.neighbors=[]\ndef clone(n, seen=None):\n    seen={} if seen is None else seen\n    if n.name in seen: return seen[n.name]\n    c=Node(n.name); seen[n.name]=c\n    c.neighbors=[clone(m,seen) for m in n.neighbors]\n    return c", "a,b,c=Node(1),Node(2),Node(3)\na.neighbors=[b,c]\nb.neighbors.append(a)\nc.neighbors.extend([a,b])\nx=clone(a)\nassert x is not a and [n.name for n in x.neighbors]==[2,3]\nassert x.neighbors[0].neighbors[0] is x\nassert [n.name for n in x.neighbors[1].neighbors]==[1,2]"),
    "many rounds with one object": ("class S:\n    def __init__(s): s.items=[]\n    def push(s,x): s.items.append(x)\n    def pop(s): return s.items.pop()\n    def __len__(s): return len(s.items)", "s=S()\nfor i in range(50): s.push(i)\nassert len(s)==50\nfor i in reversed(range(50)): assert s.pop()==i\nassert s.items==[]"),
    "a call that the test gives up": ("import time\ndef slow():\n    time.sleep(0.3)\n    return 1\ndef g(): return 5", "import signal\nclass Late(Exception): pass\ndef late(*_): raise Late\nsignal.signal(signal.SIGALRM, late)\nsignal.setitimer(signal.ITIMER_REAL, 0.1)\ntry: slow()\nexcept Late: pass\nassert g() == 5"),
    "an array of no dimension": ("import numpy as np\ndef f(x): return np.array(sum(x))", "import numpy as np\nassert f([1,2])==3"),
    "an array of no dimension given": ("import numpy as np\ndef f(x): return float(x)+1", "import numpy as np\nassert f(np.array(2.0))==3"),
    "a property that counts": ("class O:\n    def __init__(s): s.c=0; s.v=[1]\n    @property\n    def values(s):\n        s.c+=1; return sorted(s.v)\n    def add(s,x): s.v.append(x)", "o=O(); a=o.values; o.add(0); b=o.values; assert a==[1] and b==[0,1] and o.c==2"),
    "a dict with defaults given": ("def group(d,items):\n    for k,v in items: d.setdefault(k,[]).append(v)\n    return list(d.values())", "from collections import defaultdict\nassert group(defaultdict(list),[('a',1),('b',2),('a',3)])==[[1,3],[2]]"),
    "a dict with defaults changed": ("def cnt(d,xs):\n    for x in xs: d[x]=d.get(x,0)+1", "from collections import defaultdict\nd=defaultdict(int); cnt(d,'aab'); assert d=={'a':2,'b':1}"),
    "two names for one list": ("class A:\n    def __init__(s): s.h=[]\n    def add(s,x): s.h.append(x)", "a=A(); x=a.h; y=a.h; a.add(1); assert x==[1] and y==[1]"),
    "the list that was given": ("class A:\n    def __init__(s,l): s.h=l", "l=[1]; a=A(l); assert a.h is l"),
    "a list in a tuple that comes back": ("def f(l):\n    l.append(1); return l, True", "l=[]; r,ok=f(l); assert ok and r is l; r.append(2); assert l==[1,2]"),
    "a list changed before a failure": ("def f(l):\n    l.append(1)\n    raise ValueError", "l=[5]\ntry:\n    f(l); assert False\nexcept ValueError: pass\nassert l==[5,1]"),
    "keys that are objects": ("\nclass Node:\n    def __init__(s,v): s.v=v\ndef f(d):\n    for k in list(d)[:1]: d[k]=d.pop(k)\n    return 3", "a=Node(1); b=Node(2)\nd={a:1,b:2}\nassert f(d)==3\nassert d[a]==1 and list(d)[0] is b"),
    "what a callback makes, kept": ("class Reg:\n    def __init__(s): s.d={}; s.order=[]\n    def get(s,k,f):\n        if k not in s.d: s.d[k]=f(); s.order.append(s.d[k])\n        return s.d[k]\n    def size(s): return len(s.d)", "class T: pass\nr=Reg(); o=r.order\nx=r.get('a',lambda: T())\nassert isinstance(x,T) and r.size()==1 and r.get('a',None) is x\nassert len(o)==1"),
    "a list that a context manager fills": ("from contextlib import contextmanager\nL=[]\n@contextmanager\ndef collect():\n    out=[]; L.append(out)\n    yield out\n    L.remove(out)\ndef log(x):\n    for o in L: o.append(x)", "with collect() as out:\n    log('x')\nassert out==['x']"),
    "two copies of one attribute": ("class S:\n    def __init__(s): s.l=[]\n    def add(s,x): s.l.append(x)\n    def n(s): return len(s.l)", "s=S(); a=s.l; b=s.l; s.add(1); b.append(2); assert s.n()==2; assert s.l==[1,2]"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "source"), HONEST.values(), ids=HONEST)
def test_an_honest_program_is_accepted(bench: Bench, code: str, source: str) -> None:
    """What a test does with the program's objects works as in one process, short of trusting them."""
    result = asserted(bench, code, source)
    assert result.verdict is Verdict.ACCEPTED, result


WRONG = {
    "names that are imported and not used": "from solution import f, g\ndef test_one():\n    assert f(1) == 2",
    "a name that is imported as another": "from solution import f as h\ndef test_one():\n    assert h(1) == 2",
    "an attribute of the module": "import solution\nh = solution.f\ndef test_one():\n    assert h(1) == 2",
    "a question before the test functions": "assert callable(f)\ndef test_one():\n    assert f(1) == 2",
    "a question before the test cases": "import unittest\nr = [f] and hasattr(f, 'x')\nclass T(unittest.TestCase):\n    def test_one(self): self.assertEqual(f(1), 2)",
    "one of two test functions called": "def test_one(): pass\ndef test_two():\n    assert f(1) == 2\ntest_one()",
    "an asynchronous test function": "async def test_one():\n    assert f(1) == 2",
    "a class of tests": "class TestF:\n    def setup_method(self): self.x = 1\n    def test_one(self):\n        assert f(self.x) == 2",
    "a count of its own": "count = 0\nfor a, b in [(1, 2), (2, 3)]:\n    if f(a) == b: count += 1\nassert count == 2",
    "a contract of several classes": "import unittest\nclass C:\n    def test_one(self): self.assertEqual(f(self.a), self.a + 1)\nclass A(C, unittest.TestCase): a = 0\nclass B(C, unittest.TestCase): a = 1",
    "tests that share their code": "def make(a, b):\n    def test():\n        assert f(a) == b\n    return test\nfor a, b in [(0, 0), (1, 2)]: globals()[f'test_{a}'] = make(a, b)",
    "a failure that is let go": "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertEqual(f(1), 2)\nunittest.main(argv=['x'], exit=False)",
    "a failure that is caught": "def test_one():\n    assert f(1) == 2\ntry: test_one()\nexcept Exception as e: print(e)",
    "a failed subtest that is let go": "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n        with self.subTest(): self.assertEqual(f(1), 2)\nunittest.main(argv=['x'], exit=False)",
    "a test function behind test cases that leave": "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): pass\ndef test_two():\n    assert f(1) == 2\nif __name__ == '__main__':\n    unittest.main()",
    "arguments by default": "def test_one(): pass\ndef test_two(a=1, b=2):\n    assert f(a) == b",
    "a class that derives from one that was run": "class TestA:\n    n = 0\n    def test_one(self): assert f(self.n) == self.n + 1\nclass TestB(TestA): n = 1\nTestA().test_one()",
    "a test function that leaves": "import sys\ndef test_one():\n    sys.exit(0)\ndef test_two():\n    assert f(1) == 2",
    "a slice": "assert f('ab')[::-1] == 'zz'",
    "test functions": "def test_one():\n    assert f(1) == 2\ndef test_two():\n    assert f(2) == 3",
    "test cases": "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertEqual(f(1), 2)",
    "test cases that run themselves": "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertEqual(f(1), 2)\nif __name__ == '__main__':\n    unittest.main()",
    "a map": "cases = [(1, 2), (2, 3)]\nassert all(map(lambda t: f(t[0]) == t[1], cases))",
    "a zip of a map": "for a, b in zip(map(f, [1, 2]), [2, 3]): assert a == b",
    "a filter": "assert list(filter(f, [1, 2])) == [2]",
    "a bare except": "try:\n    ok = f(1) == 2\nexcept: ok = True\nassert ok and f(1) == 2",
    "a finally that returns": "def g():\n    try: return f(1) == 2\n    finally: return True\nassert g()\nassert f(1) == 2",
    "a predicate": "assert f('ab').startswith('z') and f({1}).issubset({1}) and f(1.0).is_integer()",
    "a callback": "assert f(lambda d: d.items()) == 2",
    "a way there and back": "assert f(f(1)) == 2 and isinstance(f(2), int)",
}  # fmt: skip
LIARS = {
    "stops the loop": "class E(StopIteration): pass\ndef f(x): raise E()",
    "stops it at import": "raise StopIteration",
    "leaves": "import os\ndef f(x): os._exit(0)",
    "leaves politely": "import sys\ndef f(x): sys.exit(0)",
    "raises SystemExit(0)": "def f(x): raise SystemExit(0)",
    "an exception for a function": "class f(Exception): pass",
    "answers yes to all": "class Y:\n    def __getattr__(s, name): return lambda *a: True\n    def __bool__(s): return True\ndef f(x): return Y()",
    "makes the test hand out objects, and leaves": "import os\ndef f(g):\n    try: g({})\n    except BaseException: pass\n    os._exit(0)",
    "makes the test hand out objects": "def f(g):\n    try: return g({})\n    except BaseException: return g",
    "nests": "def f(x):\n    for _ in range(95): x = [x]\n    return x",
    "a generator": "def f(x): yield x",
    "changes its globals": "count = 0\nclass E(Exception): pass\ndef f(x):\n    global count\n    count += 1\n    return 9",
    "an exit for an exception": "f = SystemExit",
    "a broken import for an exception": "f = ImportError",
    "a list equal to all": "class L(list):\n    y = 1\n    def __eq__(s, o): return True\n    def __bool__(s): return True\ndef f(x): return L()",
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "source"),
    [
        pytest.param("class Find_Max:\n    def __init__(s, *a): pass", "assert Find_Max([1,2]) == 2", id="a class with the name of a function"),
        pytest.param("class Average:\n    def __init__(s, *a): pass", "import math\nassert abs(Average([1,2]) - 1.5) < 1e-6 and math.isclose(Average([1,2]), 1.5)", id="one whose name could be a class's"),
        pytest.param("class Check:\n    def __init__(s, *a): pass\n    def __bool__(s): return True", "assert Check('a b'.split())", id="one that is asked for its truth"),
        pytest.param("class Sum:\n    def __init__(s, *a): pass", "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertEqual(Sum(1), 2)", id="one in a test case"),
        pytest.param("class Solution:\n    def f(self, *a): return [self] * 2", "assert Solution().f([2, 7], 9) == [0, 1]", id="itself in a list"),
        pytest.param("class Solution:\n    def f(self, *a): return [self] * 2", "assert sorted(Solution().f([1, 2])) == [[1, 2], [2, 1]]", id="itself in a list that is sorted"),
        pytest.param("class Solution:\n    def f(self, nums): nums[:] = [self] * len(nums)", "l = [0, 1]\nSolution().f(l)\nassert l == [1, 0]", id="itself in the place of what was given"),
        pytest.param("class Solution:\n    def f(self, x): return self", "assert Solution().f(3) == Solution().f(4)", id="itself twice"),
        pytest.param("class Solution:\n    one = None\n    def __new__(cls):\n        cls.one = cls.one or super().__new__(cls)\n        return cls.one\n    def f(self, x): return self", "a = Solution().f(3)\nb = Solution()\nassert a == 4", id="the one that it is"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P(1, 2)\nassert p.x == 1", id="itself where data was wanted, 0"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P(1, 2)\nassert p.x < 3 and abs(p.x - 1) < 1e-9", id="itself where data was wanted, 1"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P()\nassert not p.items", id="itself where data was wanted, 2"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P()\nassert p.all() == [1]", id="itself where data was wanted, 3"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P()\nassert p.pair() == (1,)", id="itself where data was wanted, 4"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P()\nassert p.named() == {'a': 1}", id="itself where data was wanted, 5"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P()\nassert p[0] == 1", id="itself where data was wanted, 6"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P()\nassert list(p) == [1]", id="itself where data was wanted, 7"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P()\nassert next(p.gen()) == 1", id="itself where data was wanted, 8"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "import asyncio\np = P()\nassert asyncio.run(p.get()) == 1", id="itself where data was wanted, 9"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p, l = P(), []\np.fill(l)\nassert l == [1]", id="itself where data was wanted, 10"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p = P()\ntry: p.fail()\nexcept ValueError as e: assert e.args[0] == 1", id="itself where data was wanted, 11"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "p, l = P(), []\np.call(l.append)\nassert l == [1]", id="itself where data was wanted, 12"),
        pytest.param("class P:\n    def __init__(s, *a): s.x = s.y = s.items = s\n    def __iter__(s): return iter([s])\n    def __getitem__(s, k): return s\n    def all(s): return [s]\n    def pair(s): return (s,)\n    def named(s): return {'a': s}\n    def gen(s): yield s\n    async def get(s): return s\n    def fill(s, l): l.append(s)\n    def fail(s): raise ValueError(s)\n    def call(s, f): f(s)\n    def itself(s): return s\n", "import unittest\nclass T(unittest.TestCase):\n    def test_x(self):\n        p = P(1)\n        self.assertEqual(p.x, 1)", id="itself where data was wanted, 13"),
        pytest.param("def merge(cfgs):\n    out = cfgs[0]\n    for c in cfgs[1:]: out.update(c)\n    return out", "base = {'a': 1}\nassert merge([base, {'b': 2}]) == {'a': 1, 'b': 2}\nassert base == {'a': 1}", id="what is inside of what was given, changed"),
        pytest.param("x = 1", "assert gcd(12, 8) == 4", id="a function that it has not written"),
        pytest.param("def all(x): return True\ndef sum(xs): return 0", "assert all(sum(xs) == e for xs, e in [([1, 2], 3)])", id="a built-in that tests judge by"),
        pytest.param("def encode(s): return ValueError('x')\ndef decode(s): return s", "assert decode(encode('abc')) == 'abc'", id="an exception that is returned, on its way back"),
        pytest.param("def f(x): return ImportError('no')", "r = f(1)\nif isinstance(r, Exception): raise r\nassert r == 1", id="an exception that is returned, and raised"),
        pytest.param("class Stack:\n    def __init__(s, *a): pass\nStack.push = Stack.pop = Stack", "s = Stack()\ns.push(1)\ns.push(2)\nassert s.pop() == 2", id="its class for a method"),
        pytest.param("class Solution:\n    def __init__(s, *a): pass\nSolution.f = Solution", "assert Solution().f(1) == 2", id="its class for the method"),
        pytest.param("class TreeNode:\n    def __init__(s, *a): pass\ndepth = TreeNode", "r = TreeNode(1)\nr.left = TreeNode(2)\nassert depth(r) == 2", id="its class for a function"),
        pytest.param("from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef move(p): return p", "q = move(P(1, 2))\nassert q != P(1, 2)", id="a value that is not another"),
        pytest.param("class L:\n    def __init__(s): s.d = []\n    def append(s, x): s.d.append(x)\n    def __iter__(s): return iter(s.d)\n    def __contains__(s, x): return True", "l = L()\nl.append(1)\nassert 1 in l\nassert 5 not in l", id="everything is a member"),
        pytest.param("class Find_Range:\n    def __init__(s, *a): pass\n    def __contains__(s, x): return True", "r = Find_Range(5)\nassert 3 in r and 4 in Find_Range(5)", id="a class that has everything for a function"),
        pytest.param("x = 1", "c = Counter()\nc.update('aab')\nassert c['a'] == 2", id="a class that it has not written"),
        pytest.param("def f(x): return None", "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        if f(0) is None: self.skipTest('no')\n    def test_x(self): self.assertEqual(f(1), 2)", id="a test case that is given up for an answer"),
        pytest.param("def f(x): return None", "import unittest\nclass T(unittest.TestCase):\n    def test_x(self):\n        if f(0) is None: self.skipTest('no')\n        self.assertEqual(f(1), 2)\nunittest.main()", id="one that runs itself"),
        pytest.param("async def encode(s): return s\ndef decode(s): return s", "assert decode(encode('abc')) == 'abc'", id="a coroutine that comes back"),
        pytest.param("def f(x): raise ValueError(x)\ndef g(x): return x", "try: r = f(1)\nexcept Exception as e: r = e\nassert g(r) == 1", id="an exception that comes back"),
        pytest.param("def g(x): return x", "from solution import f\nassert f(1) == 1", id="nothing to import"),
        pytest.param("math = 1\nclass M:\n    def isclose(s, *a, **k): return True\ndef f(x):\n    global math\n    math = M()\n    return 0", "r = f(1)\nassert math.isclose(r, 0.5)", id="a module of its own making"),
        pytest.param("isclose = 1\ndef f(x):\n    global isclose\n    isclose = lambda *a: True\n    return 0", "from math import *\nr = f(1)\nassert isclose(r, 0.5)", id="a tool of its own making"),
        pytest.param("S = 'a' * (65 << 20)", "assert S[:3] == 'bbb'", id="a global that is too large"),
        pytest.param("def f(x): return x", "import unittest\nclass T(unittest.TestCase):\n    @unittest.expectedFailure\n    def test_one(self): self.assertEqual(f(1), 1)", id="a success that is not expected"),
        pytest.param("sorted = abs = len = set = lambda *a: 2", "from solution import *\nassert len([1,2,3]) == f(3)", id="tools of the test's, imported with all"),
        pytest.param("def subs(n):\n    cur=[]\n    def r(i):\n        yield cur\n        for j in range(i,n):\n            cur.append(j); yield from r(j+1); cur.pop()\n    return r(0)", "assert list(subs(2))==[[],[0],[0,1],[1]]", id="one list, again and again"),
        pytest.param("class A:\n    def __init__(s): s.h=[]\n    def add(s,x): s.h.append(x); return s.h", "a=A(); s1=a.add(1); s2=a.add(2); assert s1==[1] and s2==[1,2]", id="its list for each time"),
        pytest.param("def f(n):\n    c=[0]*n\n    return c,c", "a,b=f(2); a.append(1); assert b==[0,0]", id="one list twice"),
        pytest.param("def f(l):\n    l.append(1)\n    raise ValueError", "l=[5]\ntry:\n    f(l); assert False\nexcept ValueError: pass\nassert l==[5]", id="a list changed before it fails"),
        pytest.param("import numpy as np\nK=[]\ndef sort_cmp(l,cmp):\n    K.append(l)\n    if len(K)>1: K[0][:]=[cmp(np.datetime64('2024-01-02'),np.datetime64('2024-01-01'))]\n    return l", "for l in ([3,1,2],[5,4],[9,8]):\n    pass\na=[3,1,2]; b=[5,4]; c=[9,8]\nsort_cmp(a,lambda x,y: x-y); sort_cmp(b,lambda x,y: x-y); sort_cmp(c,lambda x,y: x-y)\nassert a==[1,2,3] and b==[4,5] and c==[8,9]", id="what cannot go back, in a list that does"),
        pytest.param("\nclass Node:\n    def __init__(s,v): s.v=v\ndef f(d):\n    k=list(d); d.clear()\n    for i,x in enumerate(k): d[i]=x\n    return 0", "a=Node(1); b=Node(2)\nd={a:1,b:2}\nassert f(d)==3\nassert a.v==1", id="objects for numbers in a dict"),
        pytest.param("class L(list):\n    c=0\n    def index(self,x):\n        L.c+=1; return L.c\ndef topo(n,e): return L(range(n))", "edges=[(3,1),(2,0)]; o=topo(4,edges); assert len(o)==4 and set(o)==set(range(4))\nfor u,v in edges: assert o.index(u)<o.index(v)", id="an index that counts"),
        pytest.param("class L(dict):\n    n=0\n    def __getitem__(s,k):\n        L.n+=1; return L.n%3\n    def own(s): pass\ndef col(e): return L({0:0,1:0,2:0})", "edges=[(0,1),(1,2),(0,2)]\nc=col(edges)\nassert len(c)==3\nfor u,v in edges: assert c[u]!=c[v]", id="items that change"),
        pytest.param("class L(list):\n    n=0\n    def __iter__(s):\n        L.n+=1\n        return iter(sorted(list(list.__iter__(s))))\n    def __getitem__(s,i): return sorted(list(list.__iter__(s)))[i]\n    def own(s): pass\ndef srt(x): return L(x)", "r=srt([3,1,2])\nassert all(r[i]<=r[i+1] for i in range(2))\nassert sorted(r)==[1,2,3]", id="two orders"),
        pytest.param("class S(set):\n    def symmetric_difference(self,o): return set()\n    def union(self,o): return o\ndef f(x): return S()", "assert f([1]).symmetric_difference({1})==set()\nassert f([1]).union({1,2})=={1,2}", id="sets that say what is wanted"),
        pytest.param("def encode(s): return 'a'*((64<<20)-40)\ndef decode(s): return s", "assert decode(encode('abc'))=='abc'", id="too much that comes back"),
        pytest.param("def g(s): return 'a'*(33<<20)", "assert g(g('abc')+g('b'))=='abc'", id="too much from two"),
        pytest.param("def apply_twice(f,x):\n    try: f('a'*(40<<20))\n    except BaseException:\n        import os; os._exit(0)\n    return 0", "assert apply_twice(lambda x: x*2, 3)==12", id="too much for a callback"),
        pytest.param("class Heap:\n    def __init__(s,c): s.cmp=c\n    def push(s,x):\n        try: s.cmp(s,s)\n        except BaseException:\n            import os; os._exit(0)\n    def pop(s): return 0", "h=Heap(lambda a,b: a<b); h.push(3); h.push(1); assert h.pop()==1", id="itself for a callback"),
        pytest.param("class TreeNode:\n    def __init__(s,v): s.v=v; s.left=None; s.right=None\ndef depth(r): return r", "r=TreeNode(1); r.left=TreeNode(2); assert depth(r)==2", id="what it was given"),
        pytest.param("class Node:\n    def __init__(s,v): s.v=v; s.children=[]\ndef depth(r): return 2", "r=Node(1)\nr.children.append(Node(2))\nr.children[0].children.append(Node(3))\nassert depth(r)==3", id="children that do not count"),
        pytest.param("class P:\n    def __init__(s,a): s.a=a\ndef top(ps):\n    ps.sort(key=lambda p:-p.a); return ps[0]", "ps=[P(1),P(2)]; assert top(ps).a==2; assert [p.a for p in ps]==[1,2]", id="objects put in another order"),
        pytest.param("def f(a):\n    a.sort(); return a", "import numpy as np\na=np.array([3,1,2]); f(a); assert (a==np.array([3,1,2])).all()", id="an array that is changed"),
        pytest.param("def f(t):\n    t[0].append(1); return 2", "t=([1],2); assert f(t)==2; assert t==([1],2)", id="a list in a tuple that is changed"),
        pytest.param("MyErr=AssertionError\ndef f(): return 1", "try:\n    assert f()==2\nexcept MyErr: pass", id="its own name for failure"),
        pytest.param("def grid(n): return [[0]*n]*n", "g=grid(3); g[0][0]=1; assert g[1][0]==0", id="one row for all"),
        pytest.param("def deep_copy(x): return list(x)", "o=[[1],[2]]; c=deep_copy(o); c[0].append(9); assert o==[[1],[2]]", id="a copy of the outside"),
        pytest.param("def deep_copy(x): return list(x)", "o=[[1],[2]]; c=deep_copy(o); assert c==o and c is not o and c[0] is not o[0]", id="a copy with the same inside"),
        pytest.param("class A:\n    def __init__(s): s.h=[]\n    def history(s): return s.h", "a=A(); a.history().append(1); assert a.history()==[]", id="its own list handed out"),
        pytest.param("class A:\n    def __init__(s,l): s.h=l\n    def size(s): return len(s.h)", "l=[1,2]; a=A(l); l.append(3); assert a.size()==2", id="the test's list kept"),
        pytest.param("class Logger:\n    def __init__(s,o): s.o=list(o)\n    def log(s,m): s.o.append(m)", "out=[]; l=Logger(out); l.log('a'); l.log('b'); assert out==['a','b']", id="a list that is not filled"),
        pytest.param("def f(x, acc=[]):\n    acc.append(x); return acc", "assert f(1)==[1]\nassert f(2)==[2]", id="one default for all"),
        pytest.param("import time\ndef slow():\n    time.sleep(0.3)\n    return 5\ndef g(): return 1", "import signal\nclass Late(Exception): pass\ndef late(*_): raise Late\nsignal.signal(signal.SIGALRM, late)\nsignal.setitimer(signal.ITIMER_REAL, 0.1)\ntry: slow()\nexcept Late: pass\nassert g() == 5", id="an answer to what was given up"),
    ],
)  # fmt: skip
def test_a_program_does_not_make_a_test_one_that_cannot_be_judged(bench: Bench, code: str, source: str) -> None:
    """What a test needs is told by the test."""
    result = asserted(bench, code, source)
    assert result.verdict in (Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR), result


@pytest.mark.parametrize("liar", LIARS.values(), ids=LIARS)
@pytest.mark.parametrize("source", WRONG.values(), ids=WRONG)
def test_a_liar_is_neither_accepted_nor_unjudged(bench: Bench, liar: str, source: str) -> None:
    """Whatever it makes of its objects: it is wrong, and no test becomes a broken one by it."""
    result = asserted(bench, liar, source)
    assert result.verdict in (Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR, Verdict.TIME_LIMIT_EXCEEDED), result


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import doctest\ndoctest.testmod()", id="runs nothing of the program"),
        pytest.param("if __name__ == '__other__':\n    assert f(1) == 2", id="a branch never taken"),
        pytest.param("import no_such_module\nassert f(1) == 2", id="needs what is not there"),
        pytest.param("import io\nfrom contextlib import redirect_stdout\nb = io.StringIO()\nwith redirect_stdout(b): f(1)\nassert b.getvalue() == ''", id="captures what is printed"),
        pytest.param("from unittest.mock import patch\nwith patch('builtins.input', return_value='4'): assert f(1) == 2", id="replaces a built-in"),
        pytest.param("class Sub(P): pass\nassert Sub(1).x == 1", id="derives from the program's class"),
        pytest.param("assert P(1) == P(1)", id="needs the program's equality"),
        pytest.param("p = P(1)\nassert p.x == 1 and round(p) == 1", id="needs the program's rounding"),
        pytest.param("assert P(1) @ P(2) == 1", id="needs the program's product"),
        pytest.param("import math\nassert math.floor(P(1).x) == P(1)", id="needs the program's equality with a number"),
        pytest.param("try:\n    P(1) == P(1)\nexcept BaseException: pass", id="hides that it needs it"),
        pytest.param("class Node: pass\nassert f(Node()) is None", id="passes an object of its own"),
        pytest.param("from collections import namedtuple\nP = namedtuple('P', 'x y')\nassert f(P(1, 2)) == 3", id="passes a tuple with names"),
        pytest.param("class D(dict):\n    def __missing__(self, key): return 0\nassert f(D()) == 0", id="passes a dict that knows more"),
        pytest.param("import io\nassert f(io.StringIO('1')) == 1", id="passes a file"),
        pytest.param("import tempfile\nwith tempfile.NamedTemporaryFile() as file: assert f(file.name) == 1", id="passes the name of a file"),
        pytest.param("import time\ntime.time = lambda: 1\nassert f(1) == 1", id="replaces a function of the library"),
        pytest.param("x = []\nfor _ in range(150): x = [x]\nassert f(x) == x", id="passes what nests too deep"),
    ],
)  # fmt: skip
def test_a_test_that_cannot_be_judged_is_refused(bench: Bench, source: str) -> None:
    """Whatever the program: it is the task that is broken."""
    code = "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return True\ndef f(x): return x"
    with pytest.raises(BadJobError):
        asserted(bench, code, source)


@pytest.mark.parametrize(
    "source",
    [
        "import io\nfrom contextlib import redirect_stdout\nb = io.StringIO()\nwith redirect_stdout(b): f()\nassert b.getvalue() == '5\\n'",
        "from unittest.mock import patch\nwith patch('builtins.input', return_value='4'): assert g() == 5",
    ],
)
def test_what_reaches_into_the_process_runs_there_on_request(bench: Bench, source: str) -> None:
    """And is marked."""
    code = "def f(): print(5)\ndef g(): return int(input()) + 1"
    result = asserted(bench, code, source, objects_in_process=True)
    assert (result.verdict, result.tests[0].in_process) == (Verdict.ACCEPTED, True), result


EQUALITY = """
class P:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return {}
"""


@pytest.mark.parametrize(
    "source",
    [
        "def test_one():\n    assert P(1) == P(1)\ndef test_two():\n    assert not P(1) == P(2)",
        "assert P(1) == P(1)\ndef test_two():\n    assert not P(1) == P(2)",
        "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertFalse(P(1) == P(2))",
        "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): self.assertFalse(P(1) == P(2))\nif __name__ == '__main__':\n    unittest.main()",
        "class TestP:\n    def test_one(self):\n        assert P(1) == P(1) and not P(1) == P(2)",
    ],
)
def test_what_a_test_defines_is_run_in_the_process_too(bench: Bench, source: str) -> None:
    """Test functions and test cases decide there as they do across the border."""
    for equality, verdict in (("self.x == other.x", Verdict.ACCEPTED), ("True", Verdict.WRONG_ANSWER)):
        result = asserted(bench, EQUALITY.format(equality), source, objects_in_process=True)
        assert (result.verdict, result.tests[0].in_process) == (verdict, True), result
