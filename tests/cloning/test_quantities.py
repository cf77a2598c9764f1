"""Dates, fractions, units and amounts of money are read in words."""

import pytest

from thesis_lib.cloning.quantities import ends_in_unit, money_as_read
from thesis_lib.cloning.readings import as_read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("$50, £3, €3, ¥300 and US$50", "50 dollars, 3 pounds, 3 euros, 300 yen and 50 US dollars"),
        (
            "$5 million, £3m, $5 m and € 3.5 bn",
            "5 million dollars, 3 million pounds, 5 million dollars and 3.5 billion euros",
        ),
        ("$5.50, $5.05, $1.01", "5 dollars and 50 cents, 5 dollars and 5 cents, 1 dollar and 1 cent"),
        ("$1,234.50, €3,50", "1,234 dollars and 50 cents, 3 euros and 50 cents"),
        ("£0.50, £0.01, $0.00, $1", "50 pence, 1 penny, 0 dollars, 1 dollar"),
        ("5 €, 1 €, 3.50 €, 50$", "5 euros, 1 euro, 3 euros and 50 cents, 50 dollars"),
        ("$5-10 million, -$5", "5 to 10 million dollars, -5 dollars"),
        ("a $5 bill, the $50 he paid", "a 5 dollar bill, the 50 dollars he paid"),
        ("It is $5. In 2024 $6.", "It is 5 dollars. In 2024 6 dollars."),
        ("$2.50-$3.00 or $2 – $3", "2.50 to 3.00 dollars or 2 to 3 dollars"),
        ("a $5-million deal, a $3 million-dollar deal", "a 5 million dollar deal, a 3 million dollar deal"),
        ("$5 USD, 5 USD, 1 EUR, 3 GBP", "5 dollars, 5 US dollars, 1 euro, 3 pounds"),
        ("$10-€20, EUR 50, USD 5 million", "10 dollars-20 euros, 50 euros, 5 million US dollars"),
        ("EUR/USD 1.08, USD-EUR 1.08, in 2024 EUR rose, the USD 2024 outlook",) * 2,
        ("From $2-$3 million in 2019 – $3 was left", "From 2 to 3 million dollars in 2019 – 3 dollars was left"),
        ("in the $20s, A$5, $ and €, USD and EUR",) * 2,
    ],
)
def test_money_is_read_after_its_number(text, read):
    assert money_as_read(as_read(text)) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("5 lb, 6 lbs, 1 hr, 5 hrs. later", "5 pounds, 6 pounds, 1 hour, 5 hours later"),
        ("100 kph, 3 mi, 230 V, 5 oz", "100 kilometers per hour, 3 miles, 230 volts, 5 ounces"),
        ("80 kg/m3, 5 mg/l, 9 km/hr", "80 kilograms per cubic meter, 5 milligrams per liter, 9 kilometers per hour"),
        ("20º, 20° or 20 ° C", "20 degrees, 20 degrees or 20 degrees Celsius"),
        ("s/he and/or w/o TCP/IP, m/f",) * 2,
        ("1/2 cup, 2 1/2 cups, 3/4", "one half cup, 2 and one half cups, three quarters"),
        (
            "1°C, 1 km/h, 21 °C, 0.1 m/s",
            "1 degree Celsius, 1 kilometer per hour, 21 degrees Celsius, 0.1 meters per second",
        ),
        ("On May 5, L. Frank Baum; 5 L. Frank; 5 V-belts; 5 W Main Street",) * 2,
        ("It has 230 V and 5 L of oil", "It has 230 volts and 5 liters of oil"),
        (
            "The motor has 12 V. The lamp 60 W. It is a 12 V Bosch.",
            "The motor has 12 volts. The lamp 60 watts. It is a 12 volt Bosch.",
        ),
        ("20º Celsius, 41º N, 39º of fever", "20 degrees Celsius, 41 degrees N, 39 degrees of fever"),
        ("on the 2º floor it has 20º in May", "on the 2º floor it has 20 degrees in May"),
        ("Step 2/3, part 1/2 of it, on Wednesday 1/2, 3/4 time",) * 2,
        ("In Spain, 2/3 of it; on Tuesday 1/3 of them", "In Spain, two thirds of it; on Tuesday one third of them"),
        ("from 0.000 to 1, 192.168.100.200, 612.345.678",) * 2,
        ("47.000.000. Then 1.234.567", "47,000,000. Then 1,234,567"),
        ("It weighs 5 kg. 3 g are salt", "It weighs 5 kilograms. 3 grams are salt"),
        ("Add 1/2 cup. The 1/3 left", "Add one half cup. The one third left"),
        ("10.000 people, 1.500.000 of them, 3.141", "10,000 people, 1,500,000 of them, 3.141"),
        (
            "3,5 million, 2,5 km and 3,25 %, but 3,5 and 3,500 m",
            "3.5 million, 2.5 kilometers and 3.25 %, but 3,5 and 3,500 meters",
        ),
        ("He ran 5 min. 30 sec. Then he won.", "He ran 5 minutes 30 seconds. Then he won."),
        ("At 5p.m. we left", "At 5 PM we left"),
        ("5½ and ⅞", "5 and one half and seven eighths"),
        ("on 1/2, 1/2/3, 9/11, 24/7, 1/20",) * 2,
        ("24/12/2024-31/12/2024", "December 24th, 2024 to December 31st, 2024"),
        ("24.12.2024 – 31.12.2024", "December 24th, 2024 to December 31st, 2024"),
    ],
)
def test_units_fractions_and_periods_are_read_in_words(text, read):
    assert as_read(text) == read


def test_a_unit_is_one_only_after_a_number():
    assert ends_in_unit("It is 5 km. ")
    assert not ends_in_unit("He is in the km.")
