"""Units of measurement and counted things: which word is which, and what one of it is worth in base units.

A unit may be left out of an answer, so a word is one only where we know it, as a unit or as a thing that is counted, in
the singular or the plural. Any other word might carry meaning of its own (`or`, `lakh`, `millones`): what it stands in
is compared as text. A thing that is counted is a base unit of its own. Symbols are compared with their case, words
without.
"""

# ruff: noqa: SIM905 - a paragraph of words is read more easily than a list of strings

from __future__ import annotations

from fractions import Fraction

from reward_server.math.nodes import Unit
from reward_server.math.unit_words import (
    COUNTED_ABROAD,
    POWERS_AFTER,
    POWERS_BEFORE,
    POWERS_JOINED,
    SAME_THINGS,
    SCALES_ABROAD,
    SPELLINGS,
)

_LENGTH, _MASS, _TIME, _ANGLE = "m", "g", "s", "degree"
_SI_PREFIXES = {
    "": Fraction(1),
    "G": Fraction(10**9),
    "M": Fraction(10**6),
    "k": Fraction(1000),
    "m": Fraction(1, 1000),
    "μ": Fraction(1, 10**6),
    "n": Fraction(1, 10**9),
}
_FULL_PREFIXES = {"": Fraction(1), "kilo": Fraction(1000), "milli": Fraction(1, 1000), "centi": Fraction(1, 100)}


def raised(unit: Unit, power: int) -> Unit:
    """A unit to a power."""
    return Unit(tuple((base, exponent * power) for base, exponent in unit.powers), unit.factor**power)


def _units() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """The symbols, whose case counts (`MW` is not `mW`), and the words and abbreviations in lower case."""
    symbols: dict[str, Unit] = {}
    spelled: dict[str, Unit] = {}

    def add(base: str, factor: Fraction | int, *names: str) -> None:
        for name in names:
            spelled[name] = Unit(((base, 1),), Fraction(factor))

    def symbol(base: str, letters: str, scale: Fraction | int = 1, prefixes: str = "GMkmμn") -> None:
        for prefix in ("", *prefixes):
            symbols[prefix + letters] = Unit(((base, 1),), _SI_PREFIXES[prefix] * scale)

    symbol(_LENGTH, "m", prefixes="kmμn")
    symbol(_MASS, "g")
    symbol(_TIME, "s", prefixes="mμn")
    symbol("litre", "l", prefixes="kmμ")
    symbol("litre", "L", prefixes="kmμ")
    symbol("kelvin", "K", prefixes="")
    symbol("byte", "B", prefixes="GMk")
    symbol("bit", "b", prefixes="GMk")
    for base, letters in _NAMED_SYMBOLS.items():
        symbol(base, letters)
    symbol("joule", "Wh", scale=3600, prefixes="GMk")
    symbols["h"] = Unit(((_TIME, 1),), Fraction(3600))
    for name, factor in (("cm", Fraction(1, 100)), ("dm", Fraction(1, 10))):
        symbols[name] = Unit(((_LENGTH, 1),), factor)
    symbols["cl"] = symbols["cL"] = Unit((("litre", 1),), Fraction(1, 100))
    for capitals, usual in (("KM", "km"), ("Km", "km"), ("CM", "cm"), ("Cm", "cm"), ("KG", "kg"), ("Kg", "kg")):
        symbols[capitals] = symbols[usual]
    for prefix, factor in _FULL_PREFIXES.items():
        add(_LENGTH, factor, f"{prefix}meter", f"{prefix}metre")
        add(_MASS, factor, f"{prefix}gram")
        add("litre", factor, f"{prefix}liter", f"{prefix}litre")
        add(_TIME, factor, f"{prefix}second")
        for base in _NAMED_SYMBOLS:
            add(base, factor, prefix + base)
    add(_LENGTH, Fraction(1, 10), "decimeter", "decimetre")
    add(_LENGTH, Fraction(254, 10_000), "inch", "inche", "in")
    add(_LENGTH, Fraction(3048, 10_000), "foot", "feet", "ft")
    add(_LENGTH, Fraction(9144, 10_000), "yard", "yd")
    add(_LENGTH, Fraction(1_609_344, 1000), "mile", "mi")
    add(_MASS, Fraction(45_359_237, 100_000), "pound", "lb", "lbs")
    add(_MASS, Fraction(45_359_237, 1_600_000), "ounce", "oz")
    add(_MASS, 1_000_000, "tonne")
    add(_TIME, 1, "sec")
    add(_TIME, 60, "min", "minute")
    add(_TIME, 3600, "hr", "hour")
    add(_TIME, 86_400, "day")
    add(_TIME, 604_800, "week")
    add("year", 1, "year", "yr")
    add("year", Fraction(1, 12), "month")
    add("dollar", 1, "dollar", "usd", "$", "buck")
    add("dollar", Fraction(1, 100), "cent", "¢")
    add("euro", 1, "euro", "eur", "€")
    add("pound sterling", 1, "£", "gbp")
    add("yen", 1, "yen", "¥", "円")
    add("yuan", 1, "yuan", "rmb", "元")
    add("ruble", 1, "ruble", "rouble", "рубль", "рубля", "рублей", "руб")
    add("rupee", 1, "rupee", "₹", "rs")
    add(_ANGLE, 1, "degree", "deg")
    add(_ANGLE, Fraction(9, 10), "grad", "gradian", "gon")
    add(_ANGLE, Fraction(1, 60), "arcminute")
    add("radian", 1, "radian", "rad")
    add("degree celsius", 1, "°c", "celsius")
    add("degree fahrenheit", 1, "°f", "fahrenheit")
    add("kelvin", 1, "kelvin")
    add("unit", 1, "unit")
    add("byte", 1, "byte")
    add("bit", 1, "bit")
    add("ampere", 1, "amp")
    spelled["mph"] = Unit(((_LENGTH, 1), (_TIME, -1)), Fraction(1_609_344, 3_600_000))
    add("gallon", 1, "gallon", "gal")
    add("parsec", 1, "parsec", "pc")
    add("light-year", 1, "light-year", "lightyear", "ly")
    add("decibel", 1, "decibel", "db")
    spelled["hectare"] = spelled["ha"] = Unit(((_LENGTH, 2),), Fraction(10_000))
    for english, others in SPELLINGS.items():
        for name in others.split():
            spelled[name] = spelled[english]
            for prefix, power in POWERS_JOINED.items():
                spelled[prefix + name] = raised(spelled[english], power)
    for prefix, power in POWERS_JOINED.items():
        for english in ("meter", "zentimeter", "millimeter", "kilometer"):
            spelled[prefix + english] = raised(spelled[english], power)
    spelled["kmh"] = spelled["kph"] = spelled["kmph"] = Unit(((_LENGTH, 1), (_TIME, -1)), Fraction(1000, 3600))
    # Deliberately not converted: litres into cubic metres, years into days, euros into dollars.
    return symbols, spelled


_NAMED_SYMBOLS = {
    "hertz": "Hz",
    "newton": "N",
    "joule": "J",
    "watt": "W",
    "volt": "V",
    "ampere": "A",
    "ohm": "Ω",
    "pascal": "Pa",
    "mole": "mol",
    "electronvolt": "eV",
    "tesla": "T",
    "coulomb": "C",
}

_SYMBOLS, _SPELLED = _units()

# Things that are counted or measured, one of them; plural endings in -s are taken off.
_USUAL_THINGS = frozenset(
    """people
    acre age angle animal answer apple arrangement atom baby bag ball banana base basket bead bean bee bicycle bike
    bird block boat book bottle bowl box boy bracelet branch bridge brick brother bus bushel cake calorie candle
    candy car card carton cat centimeter chair chance chapter child children chocolate choice circle class
    classmate clique coin color colour combination congruence contestant cookie counter country cow crayon
    cup customer cycle deer dice die digit dog dollar dot door dress duck edge egg element employee
    envelope equation face family fish flight floor flower friend fruit function furlong gallon
    game geese girl goat goose graph group guest hand handshake hectare hen horse horsepower house integer
    intersection item jar kid knot lamp lap leaf leaves league leg lemon letter level light line liter
    loaf loaves man marble mark match member men mice module molecule monkey mouse move muffin node
    note orange orchid outcome ox oxen page painting pan parameter part partition party passenger path
    pattern peach pear pen pencil penny pence permutation person pie piece pig pint pixel pizza place plane plant
    plate player point polygon possibility potato problem question rabbit ratio rectangle region ring
    room rope rose round row ruler seat segment sequence series set shape sheep sheet ship shirt shoe side sister
    sock soldier solution spider square staff stamp star state step stick stone store story straw student subset
    swan table tablespoon teacher team teaspoon teeth term ticket tile time toe ton tooth toy train tree triangle
    trick trip trout turn unit value variable vertex vertices vote voter voucher wall way weekday wheel wife
    win window wives wolf wolves woman women word worker yard year zebra cl tbsp tsp pt qt gal ac ha kcal cal psi
    atm torr mmhg ppm rpm dpi mpg fps crowns kwh ev dyne erg lux lumen candela tesla weber henry farad siemens
    becquerel sievert gray katal parsec angstrom micron fathom peso franc krone krona crown won baht lira dinar
    dirham rand shekel
    个 人 种 次 天 年 岁 米 元 块 只 条 本 名 位 件 页 分 秒 小时 分钟 公里 千米 厘米 毫米 平方米 平方厘米
    立方米 立方厘米 升 克 千克 公斤 吨 度
    名学生 個 台 枚 匹 歳 раз раза штук штука дней день часов час часа минут человек
    см м км кг г л метров метра""".split()
)
_OTHER_THINGS = frozenset(
    """accident account activity actor ad adult aircraft airplane album alien ant apartment appointment apricot aquarium
    arc area army arrow art artist asset athlete attempt auction author automobile award axe bacteria bacterium badge
    bagel bale balloon ballot bamboo band bank banker bar barrel baseball basketball bat bath battery bay bear beaver
    bed bell belt bench bet bicyclist bill bin birthday biscuit blanket blouse board bomb bone bookcase booklet
    bookmark bookshelf bookstore boss bottlecap bouquet bowler bracket bread breakfast breath bride brownie brush
    bubble bucket bug building bulb bull bun bunch bunny burger butterfly button cabbage cabin cactus cage calf call
    calves camel camera camp camper canal candidate cane cannon canoe cap captain caramel caravan carnation carpenter
    carpet carriage carrot cart cartoon case castle caterpillar cattle ceiling celebrity cell centre cereal
    certificate chain champion channel character charm check cheese cherry chess chessboard chest chick chicken chief
    chimney chip chord chore cinema citizen city claim clam client clip clock cloth cloud clown club clue coach coat
    coconut code codeword coffee column comic committee commuter company competition competitor component computer
    concert cone configuration container contest cookbook copy cord corn corner costume cottage couch coupon course
    court cousin crab cracker crane crate creature credit crew cricket criminal crocodile crop crossing cucumber
    cupcake curtain curve cut cyclist cylinder daisy dam dancer date daughter deal deck defect delivery dentist
    deposit desk dessert detective device diagonal diagram diamond diet dinner dinosaur director disc dish disk dive
    diver division doctor document doll dolphin domino donation donkey donor donut doughnut dragon drawer drawing
    dream drink driver drum dwarf ear earring eel elephant elevator elf elves email emperor engine engineer essay
    event exam example exercise expert explorer extension fan farm farmer father feather fee fence ferry festival
    field fig figure file film finalist finger fire firefighter fireman fisherman flag flavor flavour flea fly foal
    folder font food football fork form formula fox foxes fraction frame freshman freshmen frog gallery garage garden
    gardener gas gate gem generation ghost giant gift giraffe girlfriend glass glove goal gold goldfish golfer gown
    grader grain grandchild grandchildren grape grapefruit grasshopper guard guitar gum gun guy gymnast habit hair
    hall hallway hammer hamster handkerchief handle hare hat hawk head heap heart helicopter helmet herd hero hexagon
    hiker hill hippo hit hole holiday home hook hoop hospital host hotel household husband hyena ice igloo image
    inhabitant ink insect instruction instrument interval invitation iron island jacket jeep jelly jewel job joke
    journey judge jug juice jump juror key keyboard kilogramme king kitchen kite kitten knife knight knives label
    laborer ladder lady lake lamb land lane lantern lawn lawyer layer leader lecture lemonade lens lesson letterbox
    librarian library lid lift lily limousine lion list lizard llama lock locker log lollipop lorry lot luggage lunch
    machine magazine magician magnet maid mail mall manager mango map marathon marker market mask mat match matchstick
    mathematician matrices matrix meal measurement meatball medal medicine meeting melon message meteor microwave
    miner minibus mint mirror miss missile mixture model mom monk monster monument motor motorbike motorcycle mountain
    mouth movie mug museum mushroom musician nail name neighbor neighbour nephew nest net newspaper nickel niece night
    noodle nose notebook novel nun nurse nut oak object octagon office officer olive onion opening operation opponent
    orbit order organ outfit owl owner oyster pack package packet pad page pail paint painter palindrome pancake
    pancreas panda papaya paper parallelogram parent park parrot particle partner passage passport password pastry
    path patient patio pattern pawn payment pea peanut pebble pedestrian peg penguin pentagon performance performer
    perimeter pet petal phone photo photograph phrase pianist piano pigeon pilgrim pill pillow pilot pin pineapple
    pipe pirate pitcher plan planet plank plum plumber pocket poem pole policeman policemen pond pony pool poppy
    portion position post postcard poster pot pouch prefix present president prime prince princess printer prisoner
    prize product professor program project proof puddle pump pumpkin pupil puppet puppy purse puzzle pyramid
    quadrilateral quarterback queen quilt quiz quizzes rabbit racer racket radish raffle railway rainbow raisin ram
    ranger raspberry rat ray reader rearrangement receipt recipe record recruit reflection refrigerator relative rep
    report reptile rescue resident restaurant result rhombus ribbon rice rider rifle river road robber robin robot
    rock rocket rod roll rook roommate rooster roster rotation route rug rumor runner sack sailor salad salesman
    sample sandal sandwich satellite sausage saw scarf scarves scene scholarship school scientist scooter scout screen
    screw seal season secretary section seed senator senior sentence server session settler shaft shark shelf shell
    shelves shepherd shift shop shot shovel show shower shrub sibling sign signal singer sink site size skater sketch
    sketchbook skier skirt slice slide slot snack snail snake snowball snowflake snowman socket soda sofa son song
    sophomore soup space spade sparrow speaker specimen spectator sphere spike spoke sponge spoon sport spot spy squad
    squirrel stable stack stage stair staircase stall statement station statue steak stem sticker stool stop
    strawberry street string strip stripe stroke structure studio suit suitcase sunflower sunglass surface surfer
    survey survivor sweater sweet swimmer switch syllable symbol system tail tailor tank tape target task taxi tea tee
    telephone television teller temple tenant tent test text theater theatre thief thieves thing thread throw thumb
    tie tiger timer tin tire toad toast toddler toe tomato tongue tool toothpick top topping tourist tournament towel
    tower town tractor trader trail trainer transfer transport trapezoid traveler traveller tray treat tribe trombone
    trophy truck trumpet trunk tub tube tulip tune tunnel turkey turtle tutor type tyre umbrella uncle uniform
    university van vase vegetable vehicle vendor victim video view villa village villager violin violinist visit
    visitor vitamin volcano volleyball volume volunteer vowel voyage wagon waiter waitress walk wallet walnut war
    warehouse warrior watch watermelon wave weapon wedding weed weight whale whistle willow wing winner wire wish
    wizard wood workout workshop worm wrapper wrestler writer yacht yak yoyo zoo zucchini""".split()
)
_THINGS = _USUAL_THINGS | _OTHER_THINGS
_WITH_ES = ("s", "x", "z", "ch", "sh", "o")  # what ends so has its plural in -es
# What doubles what it counts, unless it is said to be one thing: `ordered pairs`.
_PAIRS = frozenset({"pair", "pairs", "triple", "triples"})
_MAKING_ONE = frozenset({"ordered", "unordered"})
# What may stand before a thing and only says which.
_QUALIFIERS = frozenset(
    """square cubic sq cu red blue green yellow white black brown purple pink silver gold golden different distinct
    ordered unordered total whole full complete new small large big tall short long wide heavy young old fluid
    nautical metric english us u.s american canadian australian light identical unique possible valid favorable
    favourable real complex rational natural prime even odd lattice grid line non-empty nonempty empty equal
    separate extra additional remaining other original school high boy girl math adult male female chocolate
    baseball basketball soccer tennis playing gift story sports work working business calendar grade linear angular
    positive negative arc degrees degree foot pound kilo kilowatt light-year""".split()
)
_JOINING = frozenset({"of", "the", "a", "an", "in"})
_DIMENSIONS = frozenset({"old", "long", "tall", "wide", "deep", "high", "apart", "away"})
_HEDGING_ENDS = ("ths", "illion", "illions", "wards", "ss", "us", "is", "ways")

_NEVER_UNITS = frozenset(
    """or and nor not no none neither either if iff but maybe possibly perhaps probably else otherwise when where
    while is are was were be been will would should could can cannot may might must has have plus minus divided
    over than then least most more less fewer about approximately approx around nearly almost exactly only up to
    from between except without with within thousand million billion trillion hundred dozen dozens half halves
    quarter quarters third thirds fourth fourths fifth fifths sixth sixths seventh sevenths eighth eighths ninth
    ninths tenth tenths hundredth hundredths thousandth thousandths squared cubed factorial mod
    modulo base pi percent percents percentage pct for all each every both given such that which wrong right
    incorrect correct true false yes undefined infinite infinity any so as on at by after before zero one two three
    four five six seven eight nine ten below above under beneath ago past late early behind short loss debt deficit
    owed down decrease drop lower higher greater smaller larger bigger off tens ones hundreds thousands billions
    score grand squares am pm equals equal mathematically answer option choice root square-root double
    triple twice quadrillion quintillion lakh lakhs crore crores gross repeating recurring halved doubled tripled
    cube cubes inverse inverses reciprocal reciprocals sqrt roots permille percentile percentiles binary hex octal
    guess guesses unsure rejected excluded never unlikely likely nope wait unless roughly ish onwards upwards
    minimum maximum multiple multiples twos threes fours fives sixes sevens eights nines elevens twelves twenties
    powers exponents logs logarithms always sometimes besides afterwards does differs exceeds fails contradicts
    needs requires means says becomes remains gives seems appears depends varies doubts errors mistakes negatives
    opposites complements basis radix minuses pluses lots versus across thus towards sums products differences
    quotients doubles triples quadruples sorry oops lies oder und nicht ou et non pas o y e ed""".split()
)

# Letters that stand for a unit only where they are set as text.
LETTER_UNITS = frozenset("mgslhLKNJWVAT")

# Words of two and three letters that are units also where they are not set as text, after a number.
PLAIN_UNITS = frozenset(
    """cm mm km dm kg mg kg ml mL cl ft yd mi oz lb lbs sec min hr hrs mph kmh usd USD deg rad Hz kHz kW kJ Pa kPa
    mol nm pct""".split()
)

# Those of them that are products of variables where they touch the number: `-8km` is the usual answer on a line
# y = kx + m. Where the other side has the unit, they are one.
PRODUCTS_TOO = frozenset(unit for unit in PLAIN_UNITS if len(unit) == 2 and unit.islower()) | {"mol"}


def is_number_scale(word: str) -> int | None:
    """What `million` multiplies by, None for a word that does not multiply."""
    return _SCALES.get(word.lower())


_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "millions": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
} | SCALES_ABROAD


def unit_of(words: list[str]) -> Unit | None:
    """The unit that a few words name together, `square centimetres`; None where they are no plain unit."""
    power = 1
    if [word.lower() for word in words[-2:]] == ["in", "total"]:
        words = words[:-2] or ["unit"]
    if len(words) > 1 and words[0].lower() in POWERS_BEFORE:
        power, words = POWERS_BEFORE[words[0].lower()], words[1:]
    elif len(words) > 1 and words[-1].lower() in POWERS_AFTER and _known(words[-2]) is not None:
        power, words = POWERS_AFTER[words[-1].lower()], words[:-1]
    if not words or len(words) > 4 or any(word.lower() in _NEVER_UNITS for word in words):
        return None
    known = _known(words[0]) if len(words) == 1 else None
    if known is None:
        if not _is_counted([word.lower() for word in words]):
            return None
        thing = " ".join(_one(word.lower()) for word in words)
        known = Unit(((thing, 1),), Fraction(1))
    return raised(known, power)


def _is_counted(words: list[str]) -> bool:
    """Whether these are things: `red apples`, `cups of flour`, `of the house`. Any word that is not known denies it."""
    if len(words) > 1 and words[-1] in _DIMENSIONS:
        words = words[:-1]  # `feet tall`
    head = words[: words.index("of")] if "of" in words else words
    if not head:
        return len(words) > 1 and all(_is_thing(word) or word in _JOINING | _QUALIFIERS for word in words)
    tail = words[len(head) + 1 :]
    counted = _is_thing(head[-1]) or (head[-1] in _PAIRS and not _MAKING_ONE.isdisjoint(head))
    return (
        counted
        and all(word in _QUALIFIERS or _is_thing(word) for word in head[:-1])
        and all(word.isascii() and not word.endswith(_HEDGING_ENDS) for word in tail)
    )


def _is_thing(word: str) -> bool:
    known = word in COUNTED_ABROAD or _singular(word) in _THINGS or _known(word) is not None
    return word not in _NEVER_UNITS and known


def product(left: Unit, right: Unit) -> Unit:
    """Two units together."""
    powers = dict(left.powers)
    for base, exponent in right.powers:
        powers[base] = powers.get(base, 0) + exponent
    kept = tuple(sorted((base, exponent) for base, exponent in powers.items() if exponent))
    return Unit(kept, left.factor * right.factor)


def _known(word: str) -> Unit | None:
    word = word.replace("µ", "μ")  # the sign for micro and the letter look the same
    if word in _SYMBOLS:
        return _SYMBOLS[word]
    folded = word.lower()
    return _SPELLED.get(folded) or _SPELLED.get(_singular(folded))


def _one(word: str) -> str:
    """The name of one of these things, the same for all words for it."""
    singular = _singular(word)
    return SAME_THINGS.get(word) or SAME_THINGS.get(singular, singular)


def _singular(word: str) -> str:
    """One of a thing; of what is none, the word without the ending of a plural."""
    if word in _THINGS or len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies") and len(word) > 4 and word[:-1] not in _THINGS:
        return word[:-3] + "y"
    without = word[:-2] if word.endswith("es") else ""
    return without if without in _THINGS and without.endswith(_WITH_ES) else word[:-1]
