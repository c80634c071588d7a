"""Which answers mean the same, rule by rule; every pair is asked both ways round, for equality has no direction."""

import pytest

SAME = {
    "a fraction however it is written": [
        (r"\frac{1}{2}", "0.5"),
        (r"\frac{1}{2}", r"\dfrac{2}{4}"),
        (r"\frac{1}{2}", r"\frac12"),
        (r"\frac{1}{2}", "½"),
        (r"-\frac{1}{2}", r"\frac{1}{-2}"),
        ("2.5", r"2\frac{1}{2}"),
        (r"\frac{5}{4}", "1 1/4"),
        (r"-2\frac12", "-2.5"),
        (r"\frac{1}{3}", r"0.\overline{3}"),
        (r"0.1\overline{6}", r"\frac16"),
        ("0.333...", r"\frac13"),
    ],
    "a large number with its digits grouped": [
        ("1000000", "1,000,000"),
        ("1000000", "1 000 000"),
        ("10000", "10{,}000"),
        ("1234567", r"1\,234\,567"),
        ("11111111100", r"11,\! 111,\! 111,\! 100"),
        ("100,200,300", "100, 200, 300"),
        ("5,000,000", r"5\text{ million}"),
    ],
    "scientific notation": [
        (r"1.23\times10^5", "123000"),
        (r"6.02\times10^{23}", "6.02e23"),
        ("0.0015", r"1.5\cdot10^{-3}"),
    ],
    "a number in words": [("7", r"\text{seven}"), ("105", "one hundred five"), ("21", "twenty-one")],
    "a box in a box, colours, sizes and fonts": [
        ("42", r"\boxed{42}"),
        ("42", r"\color{red}{42}"),
        ("42", r"\textbf{42}"),
        ("42", "42."),
        ("42", "$42$"),
        ("42", r"\begin{array}{c}42\end{array}"),
        (r"\frac{4}{5}", r"\\frac{4}{5}"),
    ],
    "letters and signs of Unicode": [
        ("-1", "−1"),
        (r"10\pi", "10π"),
        (r"3\sqrt{2}", "3√2"),
        ("2", "２"),
        (r"x\geq 2", "x≥2"),
    ],
    "closed forms of one value": [
        (r"\sqrt{12}", r"2\sqrt{3}"),
        (r"\sqrt{7+4\sqrt{3}}", r"2+\sqrt{3}"),
        (r"\sqrt{2}+\sqrt{3}", r"\sqrt{5+2\sqrt{6}}"),
        (r"\frac{\sqrt{6}-\sqrt{2}}{4}", r"\sin 15^\circ"),
        (r"e^{16}-1", r"-1+\exp(16)"),
        (r"\log_4 8", "1.5"),
        (r"\ln 8", r"3\ln 2"),
        (r"\log 100", "2"),
        (r"(1+i)^2", "2i"),
        (r"e^{i\pi}", "-1"),
        (r"\sqrt[3]{-8}", "-2"),
        ("1267650600228229401496703205376", "2^{100}"),
        (r"\binom{10}{3}", "120"),
        ("6!", "720"),
        (r"\lfloor 3.7\rfloor", "3"),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
        (r"\sqrt[3]{2+\sqrt5}", r"\frac{1+\sqrt5}{2}"),
        (r"4\arctan 1", r"\pi"),
        (r"\frac{10!}{3!7!}", "120"),
        (r"\frac{\sqrt{2}}{2}", "0.7071067811865476"),
    ],
    "juxtaposition is a product": [("6", "2(3)"), ("20", "(4)(5)"), (r"\frac{5}{2}", r"5\left(\frac{1}{2}\right)")],
    "identities of expressions": [
        ("(x+1)(x-1)", "x^2-1"),
        (r"\tan^2(y)+1", r"\sec^2(y)"),
        (r"\sin 2x", r"2\sin x\cos x"),
        ("a+b+c", "c+b+a"),
        (r"\frac{n(n-1)(n-2)}{6}", r"\binom{n}{3}"),
        ("n!", "n(n-1)!"),
        (r"\sum_{k=1}^{n}k", r"\frac{n(n+1)}{2}"),
        ("(-1)^n", r"\cos(n\pi)"),
        (r"\sqrt{\frac{1}{n}}", r"\frac{1}{\sqrt n}"),
        (r"\sin^{-1} x", r"\arcsin x"),
        ("x^2+C", "x^2+K"),
        (r"\frac{x^2-1}{x-1}", "x+1"),
    ],
    "sums, integrals and limits": [
        (r"\int_0^1 x\,dx", r"\frac{1}{2}"),
        (r"\lim_{x\to0}\frac{\sin x}{x}", "1"),
        (r"\sum_{k=1}^{\infty}\frac{1}{k^2}", r"\frac{\pi^2}{6}"),
        (r"\int_0^{\infty}\frac{dx}{1+x^2}", r"\frac{\pi}{2}"),
        (r"(\int_0^1 x\,dx, 2)", r"(\frac12, 2)"),
        (r"\lim_{x\to0^+}\frac{1}{x}", r"\infty"),
    ],
    "a decimal that shows enough of an exact value": [
        (r"\sqrt{17}", "4.123105625617661"),
        (r"\frac23", "0.666667"),
        (r"\frac23", "0.666666"),
        (r"\pi", "3.14159265"),
        (r"\frac{1}{3}", r"\frac13\approx 0.333"),
    ],
    "percent": [(r"50\%", "0.5"), (r"\frac34", r"75\%"), (r"33\frac13\%", r"\frac13"), ("12%", r"12\text{ percent}")],
    "units": [
        ("5", r"5\text{ cm}"),
        (r"5\text{ cm}", r"5\,\mathrm{cm}"),
        (r"5\text{ cm}", r"50\text{ mm}"),
        (r"12\text{ cm}^2", "12"),
        (r"24\text{ square units}", r"24\text{ units}^2"),
        (r"10\text{ m/s}", r"36\text{ km/h}"),
        ("18", r"18\text{ dollars}"),
        (r"\$18", r"18\text{ dollars}"),
        (r"\$0.50", r"50\text{ cents}"),
        (r"90^\circ", r"90\text{ degrees}"),
        (r"45^\circ", r"\frac{\pi}{4}"),
        ("45", r"45^\circ"),
        (r"12\text{ apples}", "12"),
    ],
    "a name and its value": [
        ("42", "x = 42"),
        ("y=2x+3", "2x+3"),
        ("f(x)=x^2", "f(t)=t^2"),
        ("f(x)=2x+3", "y=2x+3"),
        ("5", "AB=5"),
        ("5", r"\text{Area}=5"),
        ("x=1,y=2", "(1,2)"),
        ("(x,y)=(1,2)", "y=2, x=1"),
        ("n=2,3,4", "2,3,4"),
        (r"(5,8),(8,5)", r"(x,y)=(5,8)\text{ and }(8,5)"),
    ],
    "a formula that leads to a value": [(r"9\pi", r"S=\pi r^2=9\pi"), (r"\frac45", r"\cos A=\frac{b}{c}=\frac45")],
    "a true chain": [("42", r"6\times7=42"), ("x^2+2x+1", "(x+1)^2=x^2+2x+1")],
    "lists and sets": [
        ("3,5,7", "7,3,5"),
        (r"\{1,2,3\}", "3,1,2"),
        (r"\{1,1,2\}", r"\{1,2\}"),
        ("1331,1728", r"1331\text{ and }1728"),
        (r"2\text{ or }3", r"3\text{ or }2"),
        (r"\pm 3", "3,-3"),
        (r"\{1\pm\sqrt5,-2\}", r"-2,1+\sqrt5,1-\sqrt5"),
        (r"\emptyset", r"\text{no solution}"),
        ("1,-2", "(1,-2)"),
        (r"\{(1,2),(3,4)\}", "(3,4),(1,2)"),
        (r"\frac{\pi}{2}+k\pi,k\in\mathbb{Z}", r"-\frac{\pi}{2}+n\pi,\ n\in\mathbb{Z}"),
    ],
    "intervals and inequalities": [
        (r"(-\infty,3)", "x<3"),
        ("(0,12.5)", "0<x<12.5"),
        (r"m\geq\sqrt{2}", r"m\in[\sqrt{2},+\infty)"),
        (r"(-\infty,\infty)", r"\mathbb{R}"),
        (r"(-\infty,0)\cup(0,\infty)", r"x\neq 0"),
        (r"\mathbb{R}\setminus\{0\}", r"x\ne0"),
        (r"x<-1\text{ or }x>3", r"(3,\infty)\cup(-\infty,-1)"),
        ("1<x<3", r"x>1\text{ and }x<3"),
        ("[0,1]\\cup[1,2]", "[0,2]"),
        (r"\{x\mid x>2\}", "x>2"),
        (r"f(2) < f(1) < f(4)", r"f(4)>f(1)>f(2)"),
    ],
    "equations and their multiples": [
        ("2x+4y-3=0", r"y=-\frac{1}{2}x+\frac{3}{4}"),
        ("(x-1)^2+(y-2)^2=9", "x^2+y^2-2x-4y-4=0"),
        ("xy=1", r"y=\frac{1}{x}"),
        ("y=x^2", "x^2=y"),
        ("x+y<3", "3-x-y>0"),
    ],
    "matrices and vectors": [
        (
            r"\begin{pmatrix}-\frac{7}{4}&-2\\4&\frac{1}{4}\end{pmatrix}",
            r"\begin{bmatrix}-1.75&-2\\4&0.25\end{bmatrix}",
        ),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
        (r"\langle 1,2\rangle", "(1,2)"),
    ],
    "ratios, times, bases and remainders": [
        ("3:4", r"\frac{3}{4}"),
        ("1:2:3", "2:4:6"),
        ("7:30", "07:30"),
        (r"4:30\text{ p.m.}", "4:30 PM"),
        ("101_2", "101_{2}"),
        ("1010_2", "10_{10}"),
        (r"3\pmod 7", r"10 \pmod{7}"),
    ],
    "words and choices": [
        (r"\text{Evelyn}", "Evelyn"),
        (r"\text{even}", r"\text{Even}"),
        (r"\text{June 5}", "June 5"),
        ("C", r"\text{(C) } 12"),
        ("C", "(C)"),
        ("A", "A. 12"),
        ("12", r"\textbf{(C)}\ 12"),
        ("BD", r"\text{B, D}"),
        (r"\text{red}", "red"),
        (r"\text{naïve}", "naïve"),
        (r"\text{Alice and Bob}", r"\text{Bob and Alice}"),
        (r"\overline{AB}", r"\overline{BA}"),
    ],
}

DIFFERENT = {
    "another number, however close": [
        ("12345678", "12345679"),
        ("9007199254740993", "9007199254740992"),
        ("0.0000001", "0"),
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
        (r"\frac{2^{2005}+1}{3\cdot2^{2006}}", r"\frac{1}{6}"),
        (r"\sqrt{10^{40}+1}", "10^{20}"),
        (r"\cos\frac{\pi}{2}", "10^{-200}"),
        ("100!", "100!+1"),
        (r"10^{10^{10}}", r"10^{10^{10}}+1"),
        ("5", "500"),
        ("1", "0.99999999"),
    ],
    "a decimal with too few or wrong digits": [
        (r"\pi", "3.14"),
        (r"\frac13", "0.33333"),
        (r"\frac23", "0.666668"),
        (r"\sqrt{2}", r"\frac{141421356}{100000000}"),
        ("0.1234567", "0.1234568"),
    ],
    "half-read juxtaposition": [
        ("5", "2(3)"),
        ("30", "10(20)"),
        ("235", r"1\,234"),
        ("3", "1 2"),
        ("12", "1 2"),
        ("4", r"4\sqrt(2)"),
    ],
    "a variable is no unit": [("2t", "2"), ("5m", "5"), ("4g", "4"), (r"\frac{14}{3}", r"\frac{14}{3}t")],
    "other variables": [
        ("x=1", "y=1"),
        ("x+y", "x+z"),
        ("x_1", "x_2"),
        (r"\frac{PV}{T}", r"\frac{pv}{t}"),
        ("x+c", "x+k"),
    ],
    "other units": [
        (r"5\text{ cm}", r"5\text{ m}"),
        (r"5\text{ cm}^2", r"5\text{ cm}"),
        (r"\$5", r"5\text{ euros}"),
        (r"12\text{ apples}", r"12\text{ oranges}"),
        (r"45^\circ", r"45\text{ rad}"),
        (r"\frac{\pi}{6}", "30"),
    ],
    "percent": [("9", r"9\%"), (r"50\%", "50"), (r"10\%", r"0.1\%")],
    "other structures": [
        ("(1,2)", r"\{1,2\}"),
        ("(1,2)", "[1,2]"),
        ("(1,2)", "(1,2]"),
        ("(1,2)", "(2,1)"),
        ("1,2", "[1,2]"),
        ("1,2", "12"),
        ("1,5", "1.5"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}"),
        ("(0,1)\\cup(1,2)", "(0,2)"),
        (r"\frac{dy}{dx}", r"\frac{y}{x}"),
        (r"\vec{v}", "v"),
    ],
    "too little or too much": [
        (r"\pm2021", "2021"),
        ("42", "40,41,42,43"),
        ("42", r"42\text{ or }43"),
        ("42", r"42\text{ (or possibly 43)}"),
        ("42", r"\text{about }42"),
        ("42", r"42\text{ is wrong}"),
        ("42", r"42\text{ below zero}"),
        ("42", r"42\pm1"),
        ("42", r"\geq 42"),
        (r"\{1,2\}", r"\{1,2,3\}"),
        ("1,1,2", "1,2"),
        ("C", r"\text{A, B, C, D}"),
        ("AC", "A"),
        ("x^2+C", "x^2"),
    ],
    "a chain that is not true": [("42", "42=41"), ("42", "41=42"), ("2", "1=2"), (r"\frac13", r"\frac13=0.33")],
    "an equation that is not solved": [("x=2", "2x=4"), ("2", "x-2=0"), ("5", "x+y=5"), ("4", "2x=4"), ("3", "|x|=3")],
    "other sets, relations and equations": [
        ("x<3", "x>3"),
        (r"x\leq3", "x<3"),
        ("x>1", "y>1"),
        ("[0,1)", "(0,1]"),
        ("3x-y+13=0", "3x+4y+14=0"),
        ("x^2+1=0", "x^2+2=0"),
        (r"k\pi,k\in\mathbb{Z}", r"2k\pi,k\in\mathbb{Z}"),
        (r"1,2,\ldots,n", r"1,3,5,\ldots,2n-1"),
        ("f(x)=x^2", "g(x)=x^2"),
    ],
    "equal at some places only": [
        ("|x|", "x"),
        (r"\sqrt{x^2}", "x"),
        (r"\ln(x^2)", r"2\ln x"),
        ("|x-100|", "100-x"),
        (r"\lceil x \rceil", r"\lfloor x \rfloor+1"),
    ],
    "no value at all": [(r"\infty", r"-\infty")],
    "ratios, times, bases": [
        ("3:4", "4:3"),
        ("12:00", "1:00"),
        ("12:30", "4:10"),
        ("7:30", "7:30 pm"),
        ("1010_2", "1010"),
        ("101_2", "101_3"),
    ],
    "words and choices": [
        ("C", "D"),
        (r"\text{yes}", r"\text{no}"),
        (r"\text{June 5}", r"\text{June 6}"),
        ("B", "b"),
        (r"\text{dog}", r"\text{god}"),
        ("C", r"\text{(C) or (D)}"),
        ("C", "C. 12 or 13"),
        ("ABCD", "abcd"),
        (r"\text{below }5", r"\text{below }-5"),
        (r"5\star 3", r"5\star -3"),
        (r"\angle ABC", r"\angle ACB"),
        ("13", r"\textbf{(C) }12"),
    ],
}


def pairs(table):
    return [pytest.param(*pair, id=f"{rule}: {pair[0]} | {pair[1]}") for rule, found in table.items() for pair in found]


@pytest.mark.parametrize(("one", "other"), pairs(SAME))
def test_two_spellings_of_one_answer_are_equal(verify, one, other):
    assert verify.equal(one, other)
    assert verify.equal(other, one)


@pytest.mark.parametrize(("one", "other"), pairs(DIFFERENT))
def test_two_answers_are_not_equal(verify, one, other):
    assert not verify.equal(one, other)
    assert not verify.equal(other, one)


@pytest.mark.parametrize(
    ("reference", "answer", "setting"),
    [
        pytest.param(r"50\%", "50", {"percent_as_number": True}, id="the number in front of the sign"),
        pytest.param("3.5", "3,5", {"decimal_comma": True}, id="a decimal comma"),
        pytest.param(r"\frac13", "0.333", {"decimal_digits": 3}, id="three digits are enough"),
        pytest.param(r"\ln(x^2)", r"2\ln x", {"domain": "common"}, id="equal where both are defined"),
    ],
)
def test_a_setting_makes_a_comparison_more_lenient(verify, reference, answer, setting):
    """The default is the strict side."""
    assert not verify.equal(reference, answer)
    assert verify.equal(reference, answer, **setting)


@pytest.mark.parametrize(
    ("reference", "answer", "setting"),
    [
        pytest.param(r"5\text{ cm}", "5", {"units": "required"}, id="a unit that the reference has"),
        pytest.param("45", r"45^\circ", {"units": "required"}, id="degrees that it has not"),
        pytest.param(r"\text{even}", "Even", {"case": "exact"}, id="the case of words"),
    ],
)
def test_a_setting_makes_a_comparison_stricter(verify, reference, answer, setting):
    assert verify.equal(reference, answer)
    assert not verify.equal(reference, answer, **setting)


def test_any_of_several_references_may_match(verify):
    assert verify(["x>1", "2"], "2").verdict == "correct"
    assert verify(["1", "3"], "2").verdict == "incorrect"


def test_with_boxed_agree_every_box_must_hold_the_answer(verify):
    assert verify("42", "42", others=["42.0", "x=42"], boxed="agree").verdict == "correct"
    assert verify("42", "42", others=["41"], boxed="agree").verdict == "incorrect"
    assert verify("42", "42", others=["41"]).verdict == "correct"


@pytest.mark.parametrize("answer", [None, "", " \n"])
def test_an_empty_box_is_no_answer(verify, answer):
    assert verify("42", answer).verdict == "no_answer"


def test_a_verification_says_how_and_why(verify):
    found = verify(r"\frac13", "0.33")
    assert (found.verdict, found.method) == ("incorrect", "number")
    assert "significant digits" in found.reason
    assert verify("1", "1").method == "string"
    assert verify(r"\sqrt{8}", r"2\sqrt2").method == "numeric"
    assert set(verify(r"\sqrt{8}", r"2\sqrt2").normalised) == {"reference", "answer"}
