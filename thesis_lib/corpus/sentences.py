"""Unlimited English sentences from a small grammar, seeded: for speech of which the sounds matter, not the words."""

import random

WHO = """the teacher|my younger brother|an old fisherman|the chief engineer|our neighbour's daughter|a curious child
the village doctor|her grandfather|the bus driver|a tired nurse|the young painter|my cousin Julia|the orchestra
their lawyer|the new manager|a famous author|the postman|every student|the choir|two strangers|the judge
a quiet farmer|the museum guide|the gardener|some tourists|the whole family|a police officer|our coach|the queen
the shoemaker|a bearded sailor|the youngest singer|three boys|the weather service|the pharmacist|a clever thief
the mayor of the city|George|Victoria|my uncle Thomas|the carpenter|a group of hikers|the photographer|the cook"""
DID = """repaired|carried|forgot|described|measured|bought|painted|discovered|borrowed|washed|sold|followed|guarded
noticed|photographed|finished|opened|enjoyed|watched|chose|examined|pushed|touched|sketched|moved|covered|changed
admired|burned|hid|lifted|polished|returned|cherished|exchanged|shook|threw|weighed|judged|removed|joined|crushed"""
WHAT = """a heavy wooden box|the yellow umbrella|two jars of honey|an enormous map|the broken violin|a pair of gloves
the judge's letter|a bunch of purple flowers|the garage door|an unusual photograph|the kitchen table|a cheap watch
the long bridge|fresh orange juice|a thick woollen jumper|the church bell|a strange machine|the oldest oyster shell
a bowl of fish soup|the engine of the boat|nine silver coins|the huge white house|a treasure chest|the garden fence
a loaf of rye bread|the piano|a basket of cherries|the ladder|a leather wallet|the wrong shelf|a small red bicycle
the curtains|his favourite hat|a cup of ginger tea|the poem|a stack of old journals|the northern path|a toy giraffe
the evening newspaper|some boiled eggs|a jigsaw puzzle|the blue canoe|a vase of roses|the rough sketch|six pillows"""
WHERE = """near the harbour|behind the theatre|in the middle of the square|at the airport|under the stairs
beside the frozen lake|on the third floor|outside the bakery|along the river|in a narrow valley|across the street
at the edge of the forest|in the library garden|above the clouds|between two tall towers|on the southern beach
inside the old factory|by the railway station|in the hospital corridor|at the end of the hall|on a rocky island"""
WHEN = """yesterday afternoon|before the thunderstorm|last Thursday|early in the morning|after a good lunch
during the summer holidays|at half past five|when the music stopped|two years ago|just in time|on Wednesday evening
while everybody was asleep|as soon as the snow melted|in the month of August|shortly after midnight|once again"""
WHY = """because the weather was awful|although nobody had asked|and then went straight home|so the others laughed
but could not explain it|since there was no other choice|without saying a single word|and thought about the journey
because the road was closed|which surprised all of us|and nearly missed the train|just to make her mother happy
though it was hardly worth the trouble|and everyone cheered loudly|because the oven was too hot|with great pleasure"""
SAID = """I believe that|You should know that|It is quite true that|They say that|She was sure that|We heard that
Nobody doubts that|He told me that|The paper reports that|I can hardly imagine that|Perhaps you remember that"""
ASKS = """Do you know why|Can you tell me whether|Have you heard that|Is it possible that|Could it be true that
Who said that|Would you believe that|Are you certain that"""

_LISTS = {name: text.replace("\n", "|").split("|") for name, text in list(globals().items()) if name.isupper()}
_SHAPES = (
    "WHO DID WHAT WHERE, WHY.",
    "WHO DID WHAT WHEN, WHY.",
    "WHEN, WHO DID WHAT WHERE.",
    "SAID WHO DID WHAT WHERE WHEN.",
    "ASKS WHO DID WHAT WHERE?",
    "WHO DID WHAT and WHAT WHERE.",
    "WHERE, WHO DID WHAT, WHY.",
    "ASKS WHO DID WHAT WHEN?",
)


def sentence(rng: random.Random) -> str:
    """One sentence of about eight to eighteen words."""
    words = []
    for token in rng.choice(_SHAPES).split(" "):
        name = token.rstrip(",.?")
        words.append(rng.choice(_LISTS[name]) + token[len(name) :] if name in _LISTS else token)
    text = " ".join(words)
    return text[0].upper() + text[1:]
