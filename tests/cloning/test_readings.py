"""Text is split into true sentences, and read as people read it."""

import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib.cloning import Request, tts
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.quantities import money_as_read
from thesis_lib.cloning.readings import as_read, has_words, sentences
from thesis_lib.cloning.tts import KokoroSynthesizer, SpeechError

LONG = (
    "Dr. Smith and Mrs. Lee of the U.S. Army met at 5 p.m. near St. John's church, e.g. to talk about the storm, and "
    "when it had passed they went down to the harbour with Prof. Jones. They counted the boats there."
)


def test_abbreviations_do_not_end_a_sentence():
    assert [sentence.strip() for sentence in sentences(LONG)] == [
        LONG.removesuffix(" They counted the boats there."), "They counted the boats there."
    ]  # fmt: skip
    found = tts.portions(LONG)
    assert len(found) == 3, "the long sentence is cut once, after a comma"
    assert found[0].endswith(",")
    assert " ".join(found) == LONG


@pytest.mark.parametrize(
    "text",
    [
        *("approx. 5 euros", "5 p.m. Monday", "Apple Inc. Announced it", "King Jr. Spoke", "Smith et al. Found it"),
        *("Jane Ph.D. Smith", "the Dra. García", "Ft. Worth", "in EE.UU. Spain", "Sto. Domingo", "Acme Corp. Bank"),
        *("Sta. Cruz", "Dña. Elvira", "Lic. Gómez", "Ud. Tiene", "Fr. Brown", "Hon. Smith", "Mme. Curie"),
        *(
            "Warner Bros. Pictures",
            "vol. 5",
            "cf. Smith",
            "c. 1500",
            "ca. 5000",
            "tel. +34 555",
            "est. 1990",
        ),
        *("Jan. 5", "p. 5", "on Main St. Tom", "No. 5", "(cf. Smith)", "Sr. García"),
    ],
)
def test_no_sentence_ends_within_an_abbreviation(text):
    start = "The report of the year about the old harbour and its boats, which everyone had read by then, names "
    rest = " and much more, of which nobody had ever heard in the town before"
    assert len(sentences(start + text + rest)) == 1
    assert not any(re.search(r"\w\.$", part) for part in tts.portions(as_read(start + text + rest)))
    assert "." not in as_read(text), "no full stop is left, and none is added"


@pytest.mark.parametrize("last", ["at 5 p.m.", "by Apple Inc.", "with Smith et al.", "Jane Ph.D."])
def test_a_sentence_may_end_with_an_abbreviation(last):
    assert sentences(f"We met {last} Then it rained.") == [f"We met {last} ", "Then it rained."]
    assert ". Then it rained." in as_read(f"We met {last} Then it rained.")
    assert len(sentences("It was c. Then he left.")) == 2


@pytest.mark.parametrize("sign", list("♬☉☇ȸȹ☏☂☝♟♝☈♨ᓰ"))
def test_the_joined_sentences_are_the_text(sign):
    """pysbd loses texts that hold the symbols with which it marks its places."""
    text = f"  He met Mrs. Lee {sign} there. Then: {sign}\nHe left! {sign} And so on "
    assert "".join(sentences(text)) == text
    assert len(sentences(text)) >= 3
    assert sentences("♬ He met Mrs. Lee. Then he left.") == ["♬ He met Mrs. Lee. ", "Then he left."]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("on 24/12/2024.", "on December 24th, 2024."),
        ("on 12/24/2024", "on December 24th, 2024"),
        ("on 2024-12-01", "on December 1st, 2024"),
        ("on 45/45/2024", "on 45/45/2024"),
        ("at 120 km/h", "at 120 kilometers per hour"),
        ("in km/h or m/s", "in kilometers per hour or meters per second"),
        ("5 kg, 1 cm and 3.5 m²", "5 kilograms, 1 centimeter and 3.5 square meters"),
        ("20°C, 55 mph, 50 Hz", "20 degrees Celsius, 55 miles per hour, 50 hertz"),
        ("IT IS", "it is"),
        ("He said IT IS OVER, now.", "He said it is OVER, now."),
        ("NASA and the USA, the IT of it", "NASA and the USA, the IT of it"),
        ("Dr. Smith and Mrs. Lee", "Doctor Smith and Missis Lee"),
        ("St. John lives in High St. now", "Saint John lives in High Street now"),
        ("at 5 p.m. in the U.S. or so", "at 5 PM in the US or so"),
        ("He came at 5 p.m.", "He came at 5 PM."),
        ("fish, e.g. cod, i.e. food", "fish, for example cod, that is food"),
        ("No. 5 said no. 5 times", "number 5 said no. 5 times"),
        ("It was 9:30, she was 3 and I AM here. I AM.", "It was 9:30, she was 3 and I am here. I am."),
        ("In the 80s, in the 1990s, people in their 30s flew Boeing 747s",) * 2,
        ("$5 m, € 3.5 m, 25m and 5 g", "$5 m, € 3.5 m, 25m and 5 grams"),
        ("at 25 m.p.h. or 3 m/s", "at 25 miles per hour or 3 meters per second"),
        ("the 100 m final, a 5 km run, an 8 kg bag", "the 100 meter final, a 5 kilometer run, an 8 kilogram bag"),
        ("the 5 km that he ran, and 100 m of rope", "the 5 kilometers that he ran, and 100 meters of rope"),
        ("It is 5 km. He ran 3 min.", "It is 5 kilometers. He ran 3 minutes."),
        ("THE UN HAS SPOKEN", "the UN has SPOKEN"),
        ("NASA AND ESA", "NASA and ESA"),
        ("THE EU AND THE USA", "the EU and the USA"),
        ("THE US ARMY GAVE IT TO US", "the US ARMY GAVE it to us"),
        ("Sr. García and Sra. Álvarez saw Dr. Ángel", "Señor García and Señora Álvarez saw Doctor Ángel"),
        ("Martin King Sr. was there", "Martin King Senior was there"),
        (
            "on 24-12-2024, 24/12/24 and 2024/12/24",
            "on December 24th, 2024, December 24th, 2024 and December 24th, 2024",
        ),
        ("born 1/2/68 or 1/2/69", "born February 1st, 2068 or February 1st, 1969"),
        ("call 24-12-2024-55, 1/2/3 or 24-12/2024",) * 2,
        ("20 ºC, 5ºF, 100 KM/H", "20 degrees Celsius, 5 degrees Fahrenheit, 100 kilometers per hour"),
        ("5 km2, 3 cm², 2 m3", "5 square kilometers, 3 square centimeters, 2 cubic meters"),
        ("60 dB, 6 ft. tall, a 6 ft wall", "60 decibels, 6 feet tall, a 6 foot wall"),
        ("It is 6 ft. Then", "It is 6 feet. Then"),
        ("On Jan. 5, Sept. 6 and Dec. 7", "On January 5, September 6 and December 7"),
        ("On 5 Jan. we left.", "On 5 January we left."),
        ("I met Jan.", "I met Jan."),
        ("We live in Playa del Mar. María came.", "We live in Playa del Mar. María came."),
        ("p. 5, pp. 6-7, vol. 8, c. 1500, tel. 555", "page 5, pages 6-7, volume 8, circa 1500, telephone 555"),
        ("Dra. Ruiz, Sto. Domingo, Ft. Worth", "Doctora Ruiz, Santo Domingo, Fort Worth"),
        ("of EE.UU. and Acme Corp. now", "of United States and Acme Corporation now"),
        ("In St. Louis, on Main St. Tom and 5th St. Ann", "In Saint Louis, on Main Street Tom and 5th Street Ann"),
        ("By Lake St. Clair and Ann", "By Lake Saint Clair and Ann"),
        ("STOP IT", "STOP it"),
        ("I LOVE IT. HELP US! IT WORKS", "I LOVE it. HELP us! it WORKS"),
        ("US NAVY, NASA IT, I, A. THE US ARMY AND US", "US NAVY, NASA IT, I, A. the US ARMY and us"),
        ("US NAVY IS HERE", "US NAVY is HERE"),
        ("Text ♬ music.",) * 2,
        ('He asked: "Why?" & left ☉.',) * 2,
        ("♬ Dr. Smith ran 5 km. ☉ He came at 5 p.m.", "♬ Doctor Smith ran 5 kilometers. ☉ He came at 5 PM."),
        ("  It is 5 km.\n So be it. ", "  It is 5 kilometers.\n So be it. "),
        ("The weather is nice today, and we will walk to the sea.",) * 2,
        ('He paid $3.5 million. "Go!" she said... And then?\n No.',) * 2,
    ],
)
def test_text_is_written_as_it_is_read(text, read):
    assert as_read(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Hello 你好 world, Привет.", "Hello world,."),
        ("Hello你好world and السلام", "Hello world and"),
        ("😀 😀 hi ❤️ there", "hi there"),
        ("𝐇𝐞𝐥𝐥𝐨 ① ﬁne ５ Ａ！", "Hello 1 fine 5 A!"),
        ("Nike™ co\u00adop\x00, don\u02bct", "Nike coop, don’t"),
        ("Bucureștiul, Nguyễn, Yıldız, Łódź, Señor", "Bucurestiul, Nguyen, Yildiz, Łódź, Señor"),
        ("the α particle, 10⁴ x²",) * 2,
        ("№ 5, nº 6 and n.º 7", "number 5, number 6 and number 7"),
        ("Hello. 你好. World.", "Hello. ... World."),
        ("[LAUGHS] I know. [MUSIC PLAYING]", " I know. ..."),
        ("[Applause] Thank you. [♪ soft music ♪] [speaks French]", " Thank you. ..."),
        ("the [financial crisis] in [Singapore], [Speaker 1]: [his music], [the speaker] on [speaking terms]",) * 2,
        ("He said [the war] was over [1]. The [FBI] found [CO2]. [I know it.]",) * 2,
    ],
)
def test_only_letters_of_the_latin_alphabet_are_read(text, read):
    assert as_read(text) == read


@pytest.mark.parametrize("text", ["你好", "Привет!", "السلام", "😀", "ㅤ", "१२३", "ـ", "🇪🇸", "\u200b"])
def test_other_scripts_and_emoji_are_no_words(text):
    assert not has_words(text)
    assert as_read(text) == text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("He lives at 5 Main St. He is old.", "He lives at 5 Main Street. He is old."),
        ("We saw Washington D.C. He stayed.", "We saw Washington DC. He stayed."),
        ("He ran 9 m.p.h. It was fast.", "He ran 9 miles per hour. It was fast."),
        ("We left the U.S. Then it rained.", "We left the US. Then it rained."),
        ('He came at 5 p.m. "It rained."', 'He came at 5 PM. "It rained."'),
        ("He came at 5 p. m. He left.", "He came at 5 PM. He left."),
    ],
)
def test_an_abbreviation_before_the_first_word_of_a_sentence_ends_one(text, read):
    assert len(sentences(text)) == 2
    assert as_read(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The harbor is 5 km. away from the town.", "The harbor is 5 kilometers away from the town."),
        ("the 100 m. final is 3.5 m. long", "the 100 meter final is 3.5 meters long"),
        ("a 5 oz. can of 50 sq. ft. in size", "a 5 ounce can of 50 square feet in size"),
        ("He came at 5 p. m. Monday or at 9 a. m. and left", "He came at 5 PM Monday or at 9 AM and left"),
        ("Fish, viz. cod", "Fish, namely cod"),
        ("It is an hr. long, trans. by Tom",) * 2,
        (
            "Dr. Who met Mr. Will Smith of the U.S. All-Star team",
            "Doctor Who met Mister Will Smith of the US All-Star team",
        ),
    ],
)
def test_a_sentence_goes_on(text, read):
    assert len(sentences(text)) == 1
    assert as_read(text) == read


def test_a_text_without_capitals_has_sentences():
    assert len(sentences("hello there. how are you. i am fine.")) == 3


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The gas is CO. It burns. CO. CF.",) * 2,
        ("The disease is MS. Patients know it.",) * 2,
        ("An MRI AND CT scan at 10 AM EST", "An MRI and CT scan at 10 AM EST"),
        ("DR. A. SMITH IS HERE", "DOCTOR A. SMITH is HERE"),
        ("DR. SMITH IS HERE", "DOCTOR SMITH is HERE"),
        ("WE MET ON MAIN ST. TODAY", "we MET on MAIN STREET TODAY"),
        ("It took 30 sec. 2 people fell, W/L", "It took 30 seconds. 2 people fell, W/L"),
        ("MR. SMITH. ACME INC. IS HERE", "MISTER SMITH. ACME INCORPORATED is HERE"),
        ("E.g. Tom. I.e. he.", "For example Tom. That is he."),
        ("Pres. Biden, Insp. Ray, Pvt. Ray", "President Biden, Inspector Ray, Private Ray"),
        ("Col. Mustard, Rep. Lee, Maj. Tom", "Colonel Mustard, Representative Lee, Major Tom"),
        ("Lt. Col. Smith and Adm. Nelson", "Lieutenant Colonel Smith and Admiral Nelson"),
        ("Avda. América, Gral. Franco, Sres. García", "Avenida América, General Franco, Señores García"),
        ("núm. 5, pág. 6, Apt. 7, Hwy. 8, ch. 9", "number 5, page 6, Apartment 7, Highway 8, chapter 9"),
    ],
)
def test_titles_and_abbreviations_in_capitals(text, read):
    assert as_read(text) == read


def test_the_phonemizer_reads_other_words_in_capitals_as_words():
    from kokoro_onnx.tokenizer import Tokenizer

    phonemes = partial(Tokenizer().phonemize, lang="en-us")
    for word in ("over", "stop", "army", "navy", "here", "spoken", "street", "mri", "ct"):
        assert phonemes(word) == phonemes(word.upper())
    assert phonemes("it") != phonemes("IT")


WORDS = [
    *("no", "may", "in", "will", "can", "art", "fig", "sec", "mark", "it", "we", "saw", "ten", "miles", "dollars"),
    *(
        "hours",
        "half",
        "don't",
        "so",
        "mart",
        "US",
        "UN",
        "I",
        "café",
        "Ann",
        "L",
        "V",
        "W",
        "5",
        "1,234",
        "20.5",
        "MRI",
    ),
]


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(["", "", "", ",", ";", "!", "?", "..."]))))
def test_plain_english_is_not_changed(words):
    text = " ".join(word + mark for word, mark in words)
    assert money_as_read(as_read(text)) == text


@given(st.text())
def test_any_text_is_read(text):
    """No text raises an error, loses a character between its sentences, or loses all its words."""
    assert "".join(sentences(text)) == text
    assert has_words(money_as_read(as_read(text))) == has_words(text)


class Client:
    """Substitute for Kokoro's client: records what is said."""

    def __init__(self):
        self.said = []

    def create(self, text, table, speed, lang):
        self.said.append(text)
        if "♫" in text:
            raise ValueError("need at least one array to concatenate")
        return [0.1] * 2400, 24_000


@pytest.fixture
def synthesizer():
    made = KokoroSynthesizer.__new__(KokoroSynthesizer)
    made._client, made.voices = Client(), {"a": [0.0]}
    return made


@pytest.mark.parametrize("text", ["[laughs]", " [APPLAUSE] ", "...", "?!", " . . . ", "♪", "", "  ", "—"])
def test_text_without_words_is_not_spoken(synthesizer, text):
    assert not has_words(text)
    with pytest.raises(SpeechError, match="text to synthesise is empty"):
        synthesizer(text, "a")
    with pytest.raises(CloningError, match="--text .* holds no word"):
        Request(text=text)
    assert synthesizer._client.said == []


def test_a_portion_without_words_is_a_pause(synthesizer):
    sentence = "When the storm had passed, the two fishermen went down to the harbour and counted the boats."
    wav = synthesizer(f"{sentence}\n...\n♪ ♪\n{sentence}", "a")
    assert synthesizer._client.said == [sentence] * 2
    assert len(wav) == 2 * 2400 + 5 * 6000
    assert not wav[2400:-2400].any()


def test_other_scripts_are_no_words_beside_words_in_either_language(synthesizer):
    synthesizer("Hello 你好 world", "a")
    synthesizer("Hola 😀", "a", "es")
    assert synthesizer._client.said == ["Hello world", "Hola"]
    with pytest.raises(SpeechError, match="text to synthesise is empty"):
        synthesizer("你好", "a")


def test_what_the_phonemizer_cannot_speak_is_one_clear_error(synthesizer):
    with pytest.raises(SpeechError, match="cannot be spoken .*write it in English words"):
        synthesizer("a ♫", "a")


def test_only_english_is_rewritten(synthesizer):
    synthesizer("a 120 km/h", "a", "es")
    synthesizer("a 120 km/h", "a")
    synthesizer("$5.50", "a", "es")
    synthesizer("$5.50", "a")
    assert synthesizer._client.said == [
        *("a 120 km/h", "a 120 kilometers per hour"),
        *("$5.50", "5 dollars and 50 cents"),
    ]
