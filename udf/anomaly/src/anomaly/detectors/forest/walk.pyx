# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The walk down the trees of a forest, compiled; `walk_numpy.Walk` describes its methods.

Points go down one tree at a time, in blocks. A tree's nodes and boxes meanwhile stay in the processor's first cache. The
next step of one point does not wait for that of another, so the processor takes several at once; no branch depends on the
data. Sums run over the trees in their order, so that a point has the same score alone and in a crowd. Indices are not
checked on the way: `lay_out` has checked the forest's, and each call checks the number of features.
"""

cimport cython
import numpy as np

cdef enum:
    BLOCK = 64

cdef packed struct Node:
    float threshold
    int feature
    int child

# The distance up to which trees are kept, and how many of the trees at exactly this distance.
cdef struct Cut:
    double distance
    Py_ssize_t ties


# Final: its methods call each other directly.
@cython.final
cdef class Walk:
    cdef const Node[::1] node
    cdef const int[::1] root
    cdef const int[::1] leaf
    cdef const double[::1] path
    cdef const double[:, :, ::1] box
    cdef const double[:, ::1] gain
    cdef int depth
    cdef Py_ssize_t kept, trees, features

    def __init__(self, nodes):
        self.node = nodes.node
        self.root = nodes.root
        self.leaf = nodes.leaf
        self.path = nodes.path
        self.box = nodes.box
        self.gain = nodes.gain
        self.depth = nodes.depth
        self.kept = nodes.kept
        self.trees = self.root.shape[0]
        self.features = self.gain.shape[1]

    def lengths(self, const double[:, ::1] x):
        cdef Py_ssize_t block, begin, count, tree, row
        cdef int at[BLOCK]
        cdef const float[:, ::1] single = self._single(x)
        lengths = np.zeros(len(x))
        cdef double[::1] length = lengths
        with nogil:
            for block in range((x.shape[0] + BLOCK - 1) // BLOCK):
                begin = block * BLOCK
                count = min(BLOCK, x.shape[0] - begin)
                for tree in range(self.trees):
                    self._leaves(&single[begin, 0], count, tree, at)
                    for row in range(count):
                        length[begin + row] += self.path[at[row]]
        return lengths

    def distances(self, const double[:, ::1] x):
        lengths, means, _, _ = self._measure(x, False)
        return lengths, means

    def details(self, const double[:, ::1] x):
        return self._measure(x, True)

    cdef _measure(self, const double[:, ::1] x, bint detailed):
        cdef Py_ssize_t block, begin, count, tree, row
        cdef int at[BLOCK]
        cdef Cut cut
        cdef const float[:, ::1] single = self._single(x)
        lengths, means = np.zeros((2, len(x)))
        gaps, gains = np.zeros((2, len(x) if detailed else 0, self.features))
        cdef double[::1] length = lengths, mean = means
        cdef double[:, ::1] gap = gaps, gain = gains
        cdef int[:, ::1] leaf = np.empty((BLOCK, self.trees), np.intc)
        cdef double[:, ::1] distance = np.empty((BLOCK, self.trees))
        cdef double[::1] scratch = np.empty(self.trees)
        with nogil:
            for block in range((x.shape[0] + BLOCK - 1) // BLOCK):
                begin = block * BLOCK
                count = min(BLOCK, x.shape[0] - begin)
                for tree in range(self.trees):
                    self._leaves(&single[begin, 0], count, tree, at)
                    for row in range(count):
                        leaf[row, tree] = at[row]
                        length[begin + row] += self.path[at[row]]
                        distance[row, tree] = self._distance(&x[begin + row, 0], at[row])
                for row in range(count):
                    cut = self._cut(&distance[row, 0], &scratch[0])
                    mean[begin + row] = self._mean(&distance[row, 0], cut)
                    if detailed:
                        self._add_gaps(&x[begin + row, 0], &leaf[row, 0], &distance[row, 0], cut, &gap[begin + row, 0])
                        self._add_gains(&leaf[row, 0], &gain[begin + row, 0])
        return lengths, means, gaps, gains

    cdef _single(self, const double[:, ::1] x):
        if x.shape[1] != self.features:
            raise ValueError(f"{x.shape[1]} features instead of {self.features}")
        cdef Py_ssize_t row, feature
        single = np.empty((len(x), self.features), np.float32)
        cdef float[:, ::1] rounded = single
        for row in range(x.shape[0]):
            for feature in range(self.features):
                rounded[row, feature] = <float>x[row, feature]
        return single

    cdef void _leaves(self, const float* x, Py_ssize_t count, Py_ssize_t tree, int* at) noexcept nogil:
        cdef Py_ssize_t row
        cdef int step
        cdef Node node
        for row in range(count):
            at[row] = self.root[tree]
        for step in range(self.depth):
            for row in range(count):
                node = self.node[at[row]]
                at[row] = node.child + (x[row * self.features + node.feature] > node.threshold)
        for row in range(count):
            at[row] = self.leaf[at[row]]

    cdef double _gap(self, double value, int leaf, Py_ssize_t feature) noexcept nogil:
        return max(max(self.box[leaf, 0, feature] - value, value - self.box[leaf, 1, feature]), 0.0)

    cdef double _distance(self, const double* x, int leaf) noexcept nogil:
        cdef Py_ssize_t feature
        cdef double distance = 0.0
        for feature in range(self.features):
            distance += self._gap(x[feature], leaf, feature)
        return distance

    cdef Cut _cut(self, const double* distance, double* scratch) noexcept nogil:
        cdef Py_ssize_t tree, zeros = 0, nearer = 0
        cdef double cut
        for tree in range(self.trees):
            zeros += distance[tree] == 0.0
        if zeros >= self.kept:
            return Cut(0.0, self.kept)
        for tree in range(self.trees):
            scratch[tree] = distance[tree]
        cut = select(scratch, self.trees, self.kept - 1)
        for tree in range(self.trees):
            nearer += distance[tree] < cut
        return Cut(cut, self.kept - nearer)

    cdef double _mean(self, const double* distance, Cut cut) noexcept nogil:
        cdef Py_ssize_t tree
        cdef double total = cut.distance * cut.ties
        for tree in range(self.trees):
            if distance[tree] < cut.distance:
                total += distance[tree]
        return total / self.kept

    cdef void _add_gaps(
        self, const double* x, const int* leaf, const double* distance, Cut cut, double* gap
    ) noexcept nogil:
        cdef Py_ssize_t tree, feature
        if cut.distance == 0.0:
            return
        for tree in range(self.trees):
            if distance[tree] > cut.distance:
                continue
            if distance[tree] == cut.distance:
                if cut.ties == 0:
                    continue
                cut.ties -= 1
            for feature in range(self.features):
                gap[feature] += self._gap(x[feature], leaf[tree], feature) / self.kept

    cdef void _add_gains(self, const int* leaf, double* gain) noexcept nogil:
        cdef Py_ssize_t tree, feature
        for tree in range(self.trees):
            for feature in range(self.features):
                gain[feature] += self.gain[leaf[tree], feature] / self.trees


cdef double select(double* values, Py_ssize_t count, Py_ssize_t rank) noexcept nogil:
    """Return the value at `rank` of the sorted values, and reorder them: Hoare's FIND (CACM 4, 1961)."""
    cdef Py_ssize_t low = 0, high = count - 1, left, right
    cdef double pivot
    while low < high:
        pivot = values[rank]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while pivot < values[right]:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if right < rank:
            low = left
        if rank < left:
            high = right
    return values[rank]
