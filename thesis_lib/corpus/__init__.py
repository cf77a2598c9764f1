"""Corpora in the layout of CVSS-T + Common Voice v4 + CoVoST 2, and the reader that serves them all."""
