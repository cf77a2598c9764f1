"""The reasons to reject a row of a release, with their meaning."""

# Found in the tables.
ROW = {
    "header line": "a line of column names, which CVSS's tables do not have",
    "malformed row": "a table's row of another number of cells, or text that is not UTF-8",
    "unsafe file name": "a name that leads to another folder",
    "wrong corpus version": "not the name of a clip of the Spanish Common Voice",
    "duplicate": "the same file name a second time",
    "no Common Voice row": "Common Voice's validated.tsv does not have it",
    "no CoVoST row": "CoVoST's table does not have it",
    "split differs from CoVoST": "train, dev or test here and another there",
    "no speaker": "its client_id is empty",
    "empty text": "no Spanish or no English words",
    "speaker is in the test split": "a training row of a speaker who is also in the official dev or test split",
    "not in the list": "the list of corpus.utterances does not have it",
    "too few recordings": "its speaker has fewer usable recordings than corpus.min_recordings",
    "not in the subset": "usable for all that is known; the subset that was asked for is full without it",
}
# The user has asked for less than the whole corpus.
CHOSEN = ("not in the list", "not in the subset")
# Found in one of the two recordings; the table has "source: …" or "target: …".
SIDE = {
    "missing file": "the recording is not there",
    "is a folder": "a folder has its name",
    "zero length": "no bytes, or no samples",
    "undecodable": "neither libsndfile nor FFmpeg can read it",
    "no audio": "a video without sound",
    "several files joined to one": "of which a decoder reads the first alone",
    "truncated": "its last part is damaged or missing",
    "too long": "it has more than four hours",
    "sample rate": "English of CVSS-T that is not at 24 kHz; every other recording below 16 kHz",
    "duration": "outside corpus.min_duration and corpus.max_duration",
    "not finite": "NaN or infinity among the samples",
    "too short": "nothing is left of it",
    "silence": "no sample above -80 dBFS",
    "clipping": "over 1 % of the samples at full scale",
}


def explained() -> dict[str, str]:
    """{reason: meaning}; a recording's reason without its side."""
    return ROW | SIDE
