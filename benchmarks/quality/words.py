"""What needs no model: documents by their words, TF-IDF and BM25."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

Scores = npt.NDArray[np.float64]
K1, B = 1.2, 0.75  # of BM25, as Lucene has them


class Words:
    """A corpus as bags of words, English stop words left out."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._tfidf = TfidfVectorizer(stop_words="english", sublinear_tf=True)
        self.tfidf: sparse.csr_matrix = self._tfidf.fit_transform(texts)
        self._count = CountVectorizer(vocabulary=self._tfidf.vocabulary_, stop_words="english")
        self._bm25 = _bm25(self._count.transform(texts).astype(np.float64))

    def by_tfidf(self, query: str) -> Scores:
        """The cosine of each document and the query (n_documents,)."""
        return np.asarray((self.tfidf @ self._tfidf.transform([query]).T).todense()).ravel()

    def by_bm25(self, query: str) -> Scores:
        """BM25 of each document for the query (n_documents,)."""
        return np.asarray((self._bm25 @ self._count.transform([query]).T).todense()).ravel()


def _bm25(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each word's score in each document (Robertson and Zaragoza 2009, formula 3.15)."""
    n, lengths = counts.shape[0], np.asarray(counts.sum(axis=1)).ravel()
    df = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log(1 + (n - df + 0.5) / (df + 0.5))
    norm = K1 * (1 - B + B * lengths / lengths.mean())
    row = np.repeat(np.arange(n), np.diff(counts.indptr))
    scored = counts.copy()
    scored.data = idf[counts.indices] * counts.data * (K1 + 1) / (counts.data + norm[row])
    return scored
