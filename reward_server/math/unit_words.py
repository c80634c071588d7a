"""The words of other languages for units and for things that are counted, and what multiplies a number in words.

Spanish, French, Italian, German, Chinese, Russian and Japanese. A word stands here only if it is no word of another
meaning in one of the others: `pies` is pie as well as feet, `mille` a thousand as well as a mile. What is not here is
no unit.
"""

# ruff: noqa: SIM905 - a paragraph of words is read more easily than a list of strings; Cyrillic is meant

from __future__ import annotations

# The spellings of a unit by its English name, in all forms that follow a number.
SPELLINGS: dict[str, str] = {
    "meter": "metro metros mètre mètres metri metern метр метра метров метры м 米 公尺 メートル",
    "centimeter": """centímetro centímetros centimetro centimetros centimètre centimètres centimetri zentimeter
        zentimetern сантиметр сантиметра сантиметров см 厘米 公分 センチメートル センチ""",
    "millimeter": """milímetro milímetros milimetro milimetros millimètre millimètres millimetro millimetri
        миллиметр миллиметра миллиметров мм 毫米 ミリメートル ミリ""",
    "decimeter": "decímetro decímetros dezimeter дециметр дециметра дециметров дм 分米",
    "kilometer": """kilómetro kilómetros kilometro kilometros kilomètre kilomètres chilometro chilometri kilometern
        километр километра километров км 千米 公里 キロメートル""",
    "mile": "milla millas miglio miglia meile meilen миля мили миль 英里 マイル",
    "gram": "gramo gramos gramme grammes grammo grammi gramm грамм грамма граммов г 克 グラム",
    "kilogram": """kilogramo kilogramos kilogramme kilogrammes chilogrammo chilogrammi kilogramm килограмм килограмма
        килограммов кг 千克 公斤 キログラム""",
    "milligram": "miligramo miligramos milligramme milligrammes milligrammo milligrammi milligramm миллиграмм мг 毫克",
    "tonne": "tonelada toneladas tonnellata tonnellate tonnen тонна тонны тонн т 吨 トン",
    "litre": "litro litros litri литр литра литров л 升 リットル",
    "millilitre": "mililitro mililitros millilitri миллилитр миллилитра миллилитров мл 毫升 ミリリットル",
    "second": "segundo segundos seconde secondes secondo secondi sekunde sekunden секунда секунды секунд с 秒",
    "minute": "minuto minutos minuti minuten минута минуты минут мин 分钟 分間",
    "hour": "hora horas heure heures ora ore stunde stunden час часа часов ч 小时 小時 時間",
    "day": "día días dia dias jour jours giorno giorni tage tagen день дня дней 天 日間",
    "week": "semana semanas semaine semaines settimana settimane woche wochen неделя недели недель 周 星期 週間",
    "month": "mes meses mois mese mesi monat monate monaten месяц месяца месяцев 个月 ヶ月 か月",
    "year": "año años ano anos ans année années anno anni jahr jahre jahren год года лет 年 年間",
    "dollar": "dólar dólares dolar dolares dollari доллар доллара долларов 美元 ドル",
    "euro": "euros евро 欧元 ユーロ",
    "yuan": "юань юаня юаней",
    "yen": "иена иены иен 日元",
    "degree": "grado grados degré degrés gradi градус градуса градусов 度",
    "radian": "radián radianes radianti radiant радиан радиана радианов 弧度 ラジアン",
    "cent": "centavo centavos céntimo céntimos centimes centesimo centesimi",
}

# What stands before or after a unit and means a power of it.
POWERS_BEFORE: dict[str, int] = {
    "square": 2, "sq": 2, "cubic": 3, "cu": 3, "кв": 2, "куб": 3, "квадратный": 2, "квадратных": 2, "квадратного": 2,
    "кубический": 3, "кубических": 3, "кубического": 3,
}  # fmt: skip
POWERS_AFTER: dict[str, int] = {
    "squared": 2, "cubed": 3, "cuadrado": 2, "cuadrados": 2, "carré": 2, "carrés": 2, "quadrato": 2, "quadrati": 2,
    "cúbico": 3, "cúbicos": 3, "cubico": 3, "cubicos": 3,
}  # fmt: skip
# Written together with the unit.
POWERS_JOINED: dict[str, int] = {"平方": 2, "立方": 3, "quadrat": 2, "kubik": 3}

# Things that are counted, in the forms that follow a number.
COUNTED_ABROAD = frozenset(
    """
    persona personas manzana manzanas libro libros forma formas manera maneras modo modos vez veces estudiante
    estudiantes alumno alumnos niño niños niña niñas chico chicos chica chicas punto puntos lado lados solución
    soluciones número números caja cajas pelota pelotas perro perros gato gatos billete billetes
    personne personnes élève élèves façon façons manière manières fois pomme pommes livre livres côté côtés enfant
    enfants garçon garçons fille filles solution solutions nombre nombres boîte boîtes chien chiens chat chats
    persone mela mele libri modi volta volte studente studenti punti lati bambino bambini ragazzo ragazzi ragazza
    ragazze soluzione soluzioni numeri scatola scatole
    person personen äpfel apfel buch bücher möglichkeit möglichkeiten arten weg wege schüler schülern punkt punkte
    kind kinder lösung lösungen zahl zahlen
    человек человека людей яблоко яблока яблок способ способа способов раз раза книга книги книг ученик ученика
    учеников точка точки точек дети детей решение решения решений число числа чисел мальчик мальчика мальчиков девочка
    девочки девочек задача задачи задач тетрадь тетради тетрадей
    个 人 种 次 岁 块 只 条 本 名 位 件 页 棵 辆 张 支 座 头 间 朵 根 颗 台 场 门 道 粒 袋 盒 箱 瓶 杯 组 个人
    名学生 种方法 种选法 种排法
    种不同的方法 个点 个数 道题 本书 分
    個 枚 匹 冊 回 通り 歳 点 羽 杯 人
    """.split()
)

# What a number in front of it is multiplied by.
SCALES_ABROAD: dict[str, int] = {
    "millón": 10**6, "millones": 10**6, "milione": 10**6, "milioni": 10**6, "millionen": 10**6, "milliard": 10**9,
    "milliards": 10**9, "milliarde": 10**9, "milliarden": 10**9, "miliardo": 10**9, "miliardi": 10**9,
    "тысяча": 1000, "тысячи": 1000, "тысяч": 1000, "миллион": 10**6, "миллиона": 10**6, "миллионов": 10**6,
    "миллиард": 10**9, "миллиарда": 10**9, "миллиардов": 10**9, "万": 10**4, "亿": 10**8, "億": 10**8,
}  # fmt: skip

PERCENT_ABROAD = frozenset("prozent percento процент процента процентов パーセント".split())
PER = frozenset({"per", "pro", "par", "por"})

# Plurals without -s, and words for the same thing.
SAME_THINGS: dict[str, str] = {
    "person": "people", "persona": "people", "children": "child", "kid": "child", "men": "man", "women": "woman",
    "pence": "penny", "mice": "mouse", "geese": "goose", "teeth": "tooth", "feet": "foot", "vertices": "vertex",
}  # fmt: skip
