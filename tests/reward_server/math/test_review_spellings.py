"""Spellings of the same answer, rule by rule, each with its near misses; every pair is asked both ways round."""

import pytest

SAME = {
    "a pair of dollar signs only says where mathematics is": [
        (r"45^\circ", r"$45^\circ$"),
        ("$3:4$", "6:8"),
        ("$0<x<1$", "(0,1)"),
        ("2x-y+1=0", "$2x-y+1=0$"),
        ("$$5$$", r"5\text{ cm}"),
        (r"$2\sqrt{3}$ cm", r"2\sqrt3"),
        ("$5, $6", r"\$5, \$6"),
        (r"$\$5$", r"5\text{ dollars}"),
    ],
    "a minute and a second after a number are units where no argument follows": [
        (r"5\text{ min}", r"300\text{ s}"),
        ("5", "5 min"),
        ("5", r"5\text{ sec}"),
        (r"5\text{ min}", r"5\text{ minutes}"),
        (r"5\sec x", r"\frac{5}{\cos x}"),
    ],
    "letters that touch an operator are a product, also where they spell a word": [
        ("an+b", "b+an"),
        ("an^2+bn+c", "c+bn+an^2"),
        (r"\frac{an+b}{cn+d}", r"\frac{b+an}{d+cn}"),
        ("am+bn", "bn+am"),
        ("3:00 pm", "3:00pm"),
    ],
    "words of scripts without spaces end where other letters begin": [
        ("x=1或x=2", "x=1, x=2"),
        ("1和2", "2, 1"),
    ],
    "an article before a word says nothing": [
        (r"\text{circle}", r"\text{a circle}"),
        (r"\text{parabola}", r"\text{a parabola}"),
    ],
    "either sign in plain characters": [("+/-3", r"\pm3"), ("2+/-1", "1,3")],
    "e and i are names where they cannot be constants": [
        (r"\frac12", r"e=\frac12"),
        (r"e=\frac12", r"e=\frac24"),
        ("0<e<1", "(0,1)"),
        (r"e\in(0,1)", "0<e<1"),
        ("5", "i=5"),
        ("x=e", "e=x"),
        ("x=e", "2.71828"),
    ],
    "a chain that needs a worker is decided by it": [
        ("1", r"\lim_{x\to0}\frac{\sin x}{x}=1"),
        (r"\frac13", r"I=\int_0^1x^2dx=\frac13"),
        (r"\frac{\pi^2}{6}", r"\sum_{n=1}^{\infty}\frac1{n^2}=\frac{\pi^2}{6}"),
        ("1", r"\lim_{x\to0}f(x)=1"),
    ],
    "two numbers that may be lists may both be": [("100,200", "200,100"), ("100,200", "100200")],
    "the part of a set of numbers, however it is marked": [
        (r"\mathbb{Z}^{+}", r"\mathbb{Z}_{>0}"),
        (r"\mathbb{N}^*", r"\mathbb{Z}^+"),
        (r"\mathbb{N}_0", r"\mathbb{Z}_{\ge0}"),
        (r"(0,\infty)", r"\mathbb{R}^{+}"),
        (r"(-\infty,0)\cup(0,\infty)", r"\mathbb{R}^*"),
        (r"x\in R", r"\mathbb{R}"),
        ("R", r"\mathbb{R}"),
        (r"x=k\pi,k\in Z", r"x=n\pi, n\in\mathbb{Z}"),
        (r"\text{all positive integers}", r"\mathbb{Z}^+"),
    ],
    "a domain that goes without saying": [
        ("a_n=2n-1", r"a_n=2n-1,n\in\mathbb{N}^*"),
        ("a_n=2n-1", r"a_n=2n-1(n\in N^*)"),
        ("a_n=2n-1", r"a_n=2n-1, n\ge1"),
        ("f(x)=x^2", r"f(x)=x^2, x\in\mathbb{R}"),
    ],
    "both signs in a point make several points": [
        (r"(\pm1,0)", "(1,0),(-1,0)"),
        (r"(0,\pm\sqrt5)", r"(0,\sqrt5)\text{ and }(0,-\sqrt5)"),
        (r"(\pm1,\pm2)", "(1,2),(1,-2),(-1,2),(-1,-2)"),
        (r"(\pm1,\mp2)", "(1,-2),(-1,2)"),
    ],
    "a system, whatever holds its rows": [
        ("x=1,y=2", r"\begin{cases}x=1\\y=2\end{cases}"),
        ("(1,2)", r"\left\{\begin{array}{l}x=1\\y=2\end{array}\right."),
        ("(1,2)", r"\begin{aligned}x&=1\\y&=2\end{aligned}"),
        ("x=1,y=2", r"\left\{ {\begin{array}{*{20}{c}} {x = 1}\\{y = 2} \end{array}} \right."),
        (
            r"f(x)=\begin{cases}x^2 & x>0\\0 & x\le0\end{cases}",
            r"f(x)=\left\{\begin{array}{ll}x^2, & x>0\\ 0, & x\le 0\end{array}\right.",
        ),
    ],
    "sets of real numbers in other words": [
        (r"(-\infty,0)\cup(1,\infty)", "(-oo,0)U(1,oo)"),
        (r"(-\infty,0)\cup(1,\infty)", r"\mathbb{R}\setminus[0,1]"),
        (r"(-\infty,0)\cup(0,\infty)", r"\mathbb{R}-\{0\}"),
        (r"(-\infty,0)\cup(1,\infty)", r"(-\infty,0),(1,\infty)"),
        (r"(-\infty,0)\cup\{1\}", r"x<0\text{ or }x=1"),
        (r"\{x\in\mathbb{Z}\mid -1<x<3\}", r"\{0,1,2\}"),
        (r"\{1,2\}", r"A\cap B=\{1,2\}"),
    ],
    "families of values for all integers": [
        (r"(2k\pi,2k\pi+\pi),k\in\mathbb{Z}", r"(2n\pi,(2n+1)\pi),n\in\mathbb{Z}"),
        (r"\{x|2k\pi<x<2k\pi+\pi,k\in\mathbb{Z}\}", r"(2k\pi-2\pi,2k\pi-\pi),k\in\mathbb{Z}"),
        (r"(k\pi,0),k\in\mathbb{Z}", r"(n\pi,0),n\in\mathbb{Z}"),
        (r"2k\pi, (2k+1)\pi, k\in\mathbb{Z}", r"k\pi, k\in\mathbb{Z}"),
        (
            r"x=(-1)^k\frac{\pi}{6}+k\pi,k\in\mathbb{Z}",
            r"x=\frac{\pi}{6}+2k\pi, \frac{5\pi}{6}+2k\pi, k\in\mathbb{Z}",
        ),
        (r"x\equiv2\pmod5", r"x=5k+2,k\in\mathbb{Z}"),
    ],
    "what is measured is called by its arguments": [
        ("5", "f(-1)=5"),
        ("5", r"f(\frac12)=5"),
        ("5", "f(g(2))=5"),
        (r"\frac13", r"P(A|B)=\frac13"),
        (r"P(A\mid B)=\frac13", r"P(A|B)=\frac13"),
        ("0.5", r"P(X \ge 2) = 0.5"),
        ("5", r"\mathbb{E}[X]=5"),
        ("5", r"\operatorname{Var}(X)=5"),
        ("24", "f^{(4)}(0)=24"),
        ("5", r"f(x)_{\max}=5"),
        ("5", r"\text{max}=5"),
    ],
    "a point may be called by its letter": [("(1,2)", "A(1,2)"), ("(1,2),(3,4)", "A(1,2), B(3,4)")],
    "numbers of choices and arrangements": [("120", "C_{10}^3"), ("120", r"\mathrm{C}_{10}^{3}"), ("20", "A_5^2")],
    "functions and signs by their other names": [
        (r"\ln(1+\sqrt2)", r"\sinh^{-1}(1)"),
        (r"\bar z", r"\overline{z}"),
        (r"x\equiv2(\bmod 5)", r"x\equiv2\pmod5"),
        (r"\Gamma(\frac12)", r"\sqrt\pi"),
        (r"\zeta(2)", r"\frac{\pi^2}{6}"),
        ("sinx", r"\sin x"),
        (r"x\notin\mathbb{Q}", r"x\not\in\mathbb{Q}"),
        ("f(x)=x", r"f(x)=x \quad \forall x\in\mathbb{R}"),
    ],
    "dots over the first and the last digit that repeat": [
        (r"\frac{4}{33}", r"0.\dot{1}\dot{2}"),
        (r"\frac{41}{333}", r"0.\dot{1}2\dot{3}"),
    ],
    "a time of day": [
        (r"3:00\text{ PM}", r"3\text{ PM}"),
        (r"3\text{ PM}", r"3\text{ p.m.}"),
        (r"3:00\text{ PM}", "15:00"),
    ],
    "a choice with its name, and typography around text": [
        ("B", "选B"),
        ("B", "答案：B"),
        ("B", r"\text{B}."),
        (r"\text{A、C、D}", "A, C, D"),
        (r"\text{June 5}", r"\displaystyle \text{June 5}"),
        (r"\text{June 5}", r"\(\text{June 5}\)"),
        ("6.02e23", "6.02e23."),
    ],
}
DIFFERENT = {
    "a pair of dollar signs only says where mathematics is": [
        ("$5", "5€"),
        ("$5$", "$6$"),
        (r"$5\text{ cm}$", r"$5\text{ m}$"),
        ("$5, $6", "5€, 6€"),
    ],
    "a minute and a second after a number are units where no argument follows": [
        ("5", r"5\sec x"),
        ("5", r"5\text{ sec }x"),
        ("5", r"5\min(2,3)"),
        (r"5\text{ min}", r"5\text{ sec}"),
    ],
    "letters that touch an operator are a product, also where they spell a word": [
        ("an+b", "am+b"),
        ("3pm", "3"),
        ("3:00 pm", "3:00 am"),
        (r"\text{an}", "na"),
        ("pm", "mp"),
    ],
    "words of scripts without spaces end where other letters begin": [
        ("x=1或y=2", "x=1, y=2"),
        (r"\text{和平}", r"\text{平}"),
    ],
    "an article before a word says nothing": [
        (r"\text{a}", r"\text{a circle}"),
        (r"\text{circle}", r"\text{b circle}"),
        (r"\text{a or b}", r"\text{b}"),
    ],
    "either sign in plain characters": [("+/-3", "3"), ("2+/-1", "3")],
    "e and i are names where they cannot be constants": [
        ("e=2", "x=2"),
        ("e>1", "x>1"),
        (r"e=\frac12", r"\frac13"),
        ("3", r"\pi=3"),
        ("42", "42=e=42"),
        ("2", "e=1=2"),
        ("3", "e^x=3"),
    ],
    "a chain that needs a worker is decided by it": [
        ("2", r"\lim_{x\to0}\frac{\sin x}{x}=2"),
        (r"\frac13", r"\int_0^1x^2dx=\frac12"),
        (r"\frac12", r"\int_0^1x^2dx=\frac12"),
    ],
    "two numbers that may be lists may both be": [("100,200", "200,300"), ("100,200", "1,000")],
    "the part of a set of numbers, however it is marked": [
        (r"\mathbb{N}", r"\mathbb{Z}^+"),
        (r"\mathbb{R}^+", r"[0,\infty)"),
        (r"\mathbb{Z}^*", r"\mathbb{Z}^+"),
        (r"\mathbb{R}^2", r"\mathbb{R}"),
        ("R", r"\mathbb{Z}"),
        ("r", r"\mathbb{R}"),
        ("Z", r"\mathbb{R}"),
    ],
    "a domain that goes without saying": [
        ("a_n=2n-1", r"a_n=2n-1,n\ge2"),
        ("f(x)=x^2", "f(x)=x^2, x>0"),
        ("f(x)=x^2", r"f(x)=x^2, x\in\mathbb{Z}"),
        ("x=2n-1", r"x=2n-1,n\in N^*"),
        ("a_n=2n-1", r"a_n=2n-1,k\in\mathbb{N}^*"),
        (r"a_n=2n-1,n\in\mathbb{N}", r"a_n=2n-1,n\in\mathbb{N}^*"),
    ],
    "both signs in a point make several points": [
        (r"(\pm1,0)", "(1,0)"),
        (r"(\pm1,0)", "(0,1),(0,-1)"),
        (r"(\pm1,\mp2)", "(1,2),(-1,-2)"),
        (r"(\pm1,\pm2)", "(1,2),(-1,-2)"),
    ],
    "a system, whatever holds its rows": [
        ("(2,1)", r"\begin{cases}x=1\\y=2\end{cases}"),
        (r"x=1\text{ or }y=2", r"\begin{cases}x=1\\y=2\end{cases}"),
        ("x=1", r"\begin{cases}x=1\\y=2\end{cases}"),
        (r"\begin{pmatrix}a&-b\\3&4\end{pmatrix}", r"\begin{pmatrix}a-b&1\\3&4\end{pmatrix}"),
    ],
    "sets of real numbers in other words": [
        (r"(-\infty,0)\cup(1,\infty)", r"\mathbb{R}\setminus[0,1)"),
        (r"(-\infty,0)\cup(1,\infty)", r"(-\infty,0)"),
        (r"(1,2)\cup(3,4)", "(1,2),(3,4)"),
        (r"(-\infty,0)\cup\{1\}", r"x<0\text{ or }y=1"),
        (r"\{x\in\mathbb{Z}\mid -1\le x<3\}", r"\{0,1,2\}"),
        ("6", r"\mathbb{R}-6"),
    ],
    "families of values for all integers": [
        (r"k\pi,k\in\mathbb{Z}", r"2k\pi,k\in\mathbb{Z}"),
        (r"(2k\pi,2k\pi+\pi),k\in\mathbb{Z}", r"(2k\pi-\pi,2k\pi),k\in\mathbb{Z}"),
        (r"(2k\pi,2k\pi+\pi),k\in\mathbb{Z}", r"[2k\pi,2k\pi+\pi],k\in\mathbb{Z}"),
        (r"(k\pi,0),k\in\mathbb{Z}", r"(0,k\pi),k\in\mathbb{Z}"),
        (r"2k,k\in\mathbb{N}", r"2k+2,k\in\mathbb{N}"),
        (
            r"\frac{\pi}{6}+2k\pi, \frac{5\pi}{6}+2k\pi, k\in\mathbb{Z}",
            r"\frac{\pi}{6}+2k\pi, \frac{7\pi}{6}+2k\pi, k\in\mathbb{Z}",
        ),
        (r"x\equiv2\pmod5", r"x=5k+3,k\in\mathbb{Z}"),
    ],
    "what is measured is called by its arguments": [
        ("f(1)=5", "f(-1)=5"),
        (r"P(B|A)=\frac13", r"P(A|B)=\frac13"),
        ("5", "k(-1)=5"),
        ("6", "x(x-1)=6"),
        ("5", "f(x+1)=5"),
        ("f^{(3)}(0)=24", "f^{(4)}(0)=24"),
        (r"f(x)_{\min}=5", r"f(x)_{\max}=5"),
        ("5", r"5\mathbb{E}[X]=5"),
    ],
    "a point may be called by its letter": [
        ("(2,1)", "A(1,2)"),
        ("B(1,2)", "A(1,2)"),
        ("(1,2)", "A(1,2)+1"),
        ("(0,1)", "N(0,1)"),
        ("(1,2)", "a(1,2)"),
    ],
    "numbers of choices and arrangements": [("8", "C_2^3"), ("20", "C_5^2"), ("10", "A_5^2"), ("10", "B_5^2")],
    "functions and signs by their other names": [
        (r"\Gamma(5)", "120"),
        (r"\Gamma(n)\sin(n\pi)", "0"),
        (r"\cos t", "cost"),
        (r"x\notin\mathbb{Q}", r"x\in\mathbb{Q}"),
        (r"\sinh^{-1}(1)", r"\frac{1}{\sinh 1}"),
    ],
    "dots over the first and the last digit that repeat": [("0.123", r"0.\dot{1}2\dot{3}")],
    "a time of day": [
        (r"3\text{ PM}", r"3\text{ AM}"),
        ("3", r"3\text{ PM}"),
        ("12:00", r"12\text{ PM}"),
        ("3:00", "15:00"),
        (r"3\text{ AM}", "15:00"),
    ],
    "a choice with its name, and typography around text": [
        ("A", "选B"),
        ("B", "选B或C"),
        ("A, C", r"\text{A、C、D}"),
        ("6.02e23", "6.02e23.5"),
    ],
}


def _pairs(rules):
    return [pytest.param(*pair, id=f"{rule}: {pair[0]} {pair[1]}") for rule, pairs in rules.items() for pair in pairs]


@pytest.mark.parametrize(("one", "other"), _pairs(SAME))
def test_another_spelling_is_the_same_answer(verify, one, other):
    assert verify.equal(one, other)
    assert verify.equal(other, one)


@pytest.mark.parametrize(("one", "other"), _pairs(DIFFERENT))
def test_a_near_miss_is_another_answer(verify, one, other):
    assert not verify.equal(one, other)
    assert not verify.equal(other, one)
