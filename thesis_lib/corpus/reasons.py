"""The reasons to reject a row of a release, with their meaning."""

# Found in the tables.
ROW = {
    "header line": "a line of column names, which CVSS's tables do not have",
    "malformed row": "a row with another number of cells than the table, or with text that is not UTF-8",
    "unsafe file name": "the file name leads to another folder",
    "wrong corpus version": "the file name is not that of a clip of the Spanish Common Voice",
    "duplicate": "an earlier row has the same file name",
    "no Common Voice row": "Common Voice's validated.tsv does not have it",
    "no CoVoST row": "CoVoST's table does not have it",
    "split differs from CoVoST": "the split of the row is not that of CoVoST's table",
    "no speaker": "its client_id is empty",
    "empty text": "no Spanish or no English words",
    "speaker is in the test split": "a training row of a speaker who is also in the official dev or test split",
    "not in the list": "the list of corpus.utterances does not have it",
    "too few recordings": "its speaker has fewer usable recordings than corpus.min_recordings",
    "not in the subset": "no fault was found; it is not among the rows of the subset that was asked for",
}
# The user has asked for less than the whole corpus.
CHOSEN = ("not in the list", "not in the subset")
# Found in one of the two recordings; the table has "source: …" or "target: …".
SIDE = {
    "missing file": "the recording is not there",
    "is a folder": "its path is that of a folder",
    "zero length": "no bytes, or no samples",
    "undecodable": "neither libsndfile nor FFmpeg can read it",
    "no audio": "a video without sound",
    "several files joined to one": "several files, one after the other; a decoder reads only the first",
    "truncated": "its last part is damaged or missing",
    "too long": "it lasts more than four hours",
    "sample rate": "English of CVSS-T that is not at 24 kHz; every other recording below 16 kHz",
    "duration": "outside corpus.min_duration and corpus.max_duration",
    "not finite": "NaN or infinity among the samples",
    "too short": "it lasts less than 0.1 s",
    "silence": "no sample above -80 dBFS",
    "clipping": "over 1 % of the samples at full scale",
}


def explained() -> dict[str, str]:
    """{reason: meaning}; a recording's reason without its side."""
    return ROW | SIDE
