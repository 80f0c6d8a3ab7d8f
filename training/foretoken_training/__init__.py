"""Corpus, training, evaluation and export of LongSpec drafts for Foretoken's engine."""
