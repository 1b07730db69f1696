# cython: language_level=3, boundscheck=True, wraparound=False
"""The loops over bytes, compiled. Optional: without this module everything works by way of objects, slower.

Anything may arrive, so nothing here trusts a length. Every index is checked twice. Where a length is read, it is
compared with the number of bytes that are left, and this check decides. Where a byte is read, Cython's own bounds
checks turn a mistake in this file into an IndexError. Only buffers are written to, and their bounds are checked as well.

One decoder is right by definition, protobuf's own. This one only recognises *plain* points, which can be read without
it. A point is plain if all of this holds:

- The message holds one point and nothing else.
- Its parts are known ones in the form in which every protobuf library writes them, or unknown ones that can be skipped.
- Its texts are UTF-8.
- For a `Scanner`: its floats are finite, and it has a field, and none of the fields that are to be added.
- For a `TagScanner`: it has at most 64 tags, and none of them twice.

Everything that is not plain, malformed or just unusual, is left to protobuf.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.math cimport NAN, isfinite
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from array import array
from itertools import accumulate

from ._varint import frame

# The bytes that the parts of a point begin with: field number * 8 + wire type.
cdef enum:
    TIME = 0x08
    NAME = 0x12
    DATABASE = 0x1A
    RETENTION_POLICY = 0x22
    GROUP = 0x2A
    DIMENSION = 0x32
    TAG = 0x3A
    DOUBLE = 0x42
    INTEGER = 0x4A
    STRING = 0x52
    BY_NAME = 0x58
    BOOLEAN = 0x62
    FIRST_UNKNOWN = 0x68
    LARGEST = 0xFFFFFFFF

# The bytes that the two parts of an entry of a map begin with.
cdef enum:
    KEY = 0x0A
    NUMBER_VALUE = 0x10
    DOUBLE_VALUE = 0x11
    TEXT_VALUE = 0x12

VALUES = {DOUBLE: DOUBLE_VALUE, INTEGER: NUMBER_VALUE, BOOLEAN: NUMBER_VALUE, STRING: TEXT_VALUE}

# The bytes before a point's length: field 17 of Request and Response.
cdef enum:
    POINT_0 = 0x8A
    POINT_1 = 0x01

cdef enum:
    LONGEST_LENGTH = 5  # bytes of a frame's length
    LARGEST_VARINT = 10  # bytes of any number
    MOST_TAGS = 64  # of a plain point
    FOREIGN = 2  # what `plain` says of a point whose measurement is not wanted
    KNOWN = 1024  # texts that a decoder keeps, a power of 2
    LONGEST_KNOWN = 64  # bytes of such a text

# Kapacitor takes a name that is in several maps for the largest of these.
cdef enum Rank:
    MISSING
    IS_STRING
    IS_INTEGER
    IS_DOUBLE
    IS_BOOLEAN

# A cell without text, as in `_columns`.
cdef uint64_t NONE = 0xFFFFFFFFFFFFFFFF


cdef inline uint64_t varint(const uint8_t[::1] data, Py_ssize_t* position, Py_ssize_t stop) except? 1:
    """The number at `position`, which moves behind it; to -1 if there is none before `stop`."""
    cdef Py_ssize_t at = position[0]
    cdef uint64_t value = 0
    cdef int shift = 0
    cdef uint8_t byte
    while at < stop and shift < 64:
        byte = data[at]
        at += 1
        if shift == 63 and byte > 1:
            break
        value |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            position[0] = at
            return value
        shift += 7
    position[0] = -1
    return 0


cdef inline int varint_size(uint64_t value) noexcept:
    cdef int size = 1
    while value > 0x7F:
        value >>= 7
        size += 1
    return size


cdef inline bint is_text(const uint8_t[::1] data, Py_ssize_t start, Py_ssize_t stop) except -1:
    """Whether these bytes are UTF-8."""
    cdef Py_ssize_t at
    for at in range(start, stop):
        if data[at] > 0x7F:
            break
    else:
        return True
    try:
        PyUnicode_DecodeUTF8(<const char*>&data[start], stop - start, NULL)
    except UnicodeDecodeError:
        return False
    return True


def pass_points(bytes data, Py_ssize_t position, Py_ssize_t limit, Py_ssize_t most):
    """Find a run of whole messages of points, as `_uncompiled.pass_points` explains."""
    cdef const uint8_t[::1] view = data
    cdef Py_ssize_t end = view.shape[0], at, count = 0
    cdef uint64_t size
    while count < most:
        at = position
        size = varint(view, &at, min(end, position + LONGEST_LENGTH))
        if at < 0 or size < 2 or size > <uint64_t>limit or size > <uint64_t>(end - at):
            break
        if view[at] != POINT_0 or view[at + 1] != POINT_1:
            break
        position = at + <Py_ssize_t>size
        count += 1
    return position, count


def split(bytes frames):
    """Cut a run's frames into messages. Raises ValueError if the last one is not whole."""
    cdef const uint8_t[::1] view = frames
    cdef Py_ssize_t end = view.shape[0], at = 0, stop
    cdef list messages = []
    while at < end:
        stop = frame_stop(view, &at)
        messages.append(frames[at:stop])
        at = stop
    return messages


cdef inline Py_ssize_t frame_stop(const uint8_t[::1] data, Py_ssize_t* position) except -1:
    """Where the frame at `position` ends, which moves to the message in it. Raises ValueError if it is not whole."""
    cdef uint64_t size = varint(data, position, data.shape[0])
    if position[0] < 0 or size > <uint64_t>(data.shape[0] - position[0]):
        raise ValueError("a run ends within a frame")
    return position[0] + <Py_ssize_t>size


cdef class Names:
    """Names that are looked for among bytes."""

    cdef const uint8_t[::1] text
    cdef Py_ssize_t[::1] ends
    cdef Py_ssize_t count

    def __init__(self, names):
        # One byte is put into an empty array, as that is not a buffer.
        self.text = b"".join(names) or b"\0"
        self.count = len(names)
        self.ends = array("q", accumulate(map(len, names), initial=0))

    cdef inline Py_ssize_t find(self, const uint8_t[::1] data, Py_ssize_t start, Py_ssize_t stop) except -2:
        """Which of the names this is, or -1."""
        cdef Py_ssize_t which, begin, i, size = stop - start
        for which in range(self.count):
            begin = self.ends[which]
            if self.ends[which + 1] - begin != size:
                continue
            for i in range(size):
                if data[start + i] != self.text[begin + i]:
                    break
            else:
                return which
        return -1


cdef class PointReader:
    """Reads one plain point at a time, and hands its parts to what derives from it."""

    # Whether a float that is not finite leaves its point plain.
    cdef bint any_float
    cdef int64_t time
    cdef bint by_name

    cdef int begin(self) except -1:
        """Begin a point."""
        self.time = 0
        self.by_name = False
        return 0

    cdef int text(self, const uint8_t[::1] data, uint64_t part, Py_ssize_t start, Py_ssize_t stop) except -1:
        """Take a part that is a text: `NAME`, `GROUP` or another."""
        return 0

    cdef bint tag(
        self, const uint8_t[::1] data, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t start, Py_ssize_t stop
    ) except -1:
        """Take a tag: where its key is, and where its value is. Returns whether it is plain."""
        return True

    cdef bint field(
        self, const uint8_t[::1] data, uint64_t type, Py_ssize_t begin, Py_ssize_t end, uint64_t bits,
        Py_ssize_t start, Py_ssize_t stop,
    ) except -1:
        """Take a field: its map, where its key is, the bits of its value, where a text is. Returns whether it is plain."""
        return True

    cdef bint read(self, const uint8_t[::1] data, Py_ssize_t start, Py_ssize_t stop) except -1:
        """Read a message. Returns whether it is a plain point."""
        cdef Py_ssize_t at = start + 2, end
        cdef uint64_t tag, size
        if stop - start < 2 or data[start] != POINT_0 or data[start + 1] != POINT_1:
            return False
        size = varint(data, &at, stop)
        if at < 0 or size != <uint64_t>(stop - at):
            return False
        self.begin()
        while at < stop:
            tag = varint(data, &at, stop)
            if at < 0 or tag > LARGEST:
                return False
            if tag == TIME:
                self.time = <int64_t>varint(data, &at, stop)
            elif tag & 7 == 2:
                size = varint(data, &at, stop)
                if at < 0 or size > <uint64_t>(stop - at):
                    return False
                end = at + <Py_ssize_t>size
                if tag == TAG or tag == DOUBLE or tag == INTEGER or tag == STRING or tag == BOOLEAN:
                    if not self.entry(data, tag, at, end):
                        return False
                elif tag == GROUP or tag == NAME or tag == DATABASE or tag == RETENTION_POLICY or tag == DIMENSION:
                    if not is_text(data, at, end):
                        return False
                    self.text(data, tag, at, end)
                elif tag < FIRST_UNKNOWN:
                    return False
                at = end
            elif tag == BY_NAME:
                self.by_name = varint(data, &at, stop) != 0
            elif tag < FIRST_UNKNOWN:
                return False
            elif tag & 7 == 0:
                varint(data, &at, stop)
            elif tag & 7 == 1:
                at += 8
            elif tag & 7 == 5:
                at += 4
            else:
                return False
            if at < 0 or at > stop:
                return False
        return True

    cdef bint entry(self, const uint8_t[::1] data, uint64_t tag, Py_ssize_t at, Py_ssize_t stop) except -1:
        """Read an entry of a map, its key and then its value. Returns whether it is plain."""
        cdef Py_ssize_t begin, end
        cdef uint64_t size, bits = 0
        cdef int i
        if at >= stop or data[at] != KEY:
            return False
        at += 1
        size = varint(data, &at, stop)
        # Two bytes of value are the least that can follow.
        if at < 0 or stop - at < 2 or size > <uint64_t>(stop - at - 2):
            return False
        begin, end = at, at + <Py_ssize_t>size
        if not is_text(data, begin, end):
            return False
        at = end + 1
        if tag == DOUBLE:
            if data[end] != DOUBLE_VALUE or stop - at != 8:
                return False
            for i in range(8):
                bits |= <uint64_t>data[at + i] << (8 * i)
            if bits >> 52 & 0x7FF == 0x7FF and not self.any_float:
                return False
        elif tag == INTEGER or tag == BOOLEAN:
            if data[end] != NUMBER_VALUE:
                return False
            bits = varint(data, &at, stop)
            if at != stop:
                return False
        else:
            if data[end] != TEXT_VALUE:
                return False
            size = varint(data, &at, stop)
            if at < 0 or size != <uint64_t>(stop - at) or not is_text(data, at, stop):
                return False
        if tag == TAG:
            return self.tag(data, begin, end, at, stop)
        return self.field(data, tag, begin, end, bits, at, stop)


cdef class ColumnReader(PointReader):
    """Reads the wanted fields of plain points."""

    cdef Names wanted, added
    # The contents of the last message: `ranks` tells of what type each wanted field is, `numbers` what its value is.
    cdef Py_ssize_t entries
    cdef double[::1] numbers
    cdef uint8_t[::1] ranks

    def __init__(self, wanted, added, bint any_float):
        self.wanted = Names(wanted)
        self.added = Names(added)
        self.any_float = any_float
        # Each has one place more than needed, as an empty array is not a buffer.
        self.numbers = array("d", bytes(8 * (len(wanted) + 1)))
        self.ranks = bytearray(len(wanted) + 1)

    cdef int begin(self) except -1:
        cdef Py_ssize_t column
        PointReader.begin(self)
        self.entries = 0
        for column in range(self.wanted.count):
            self.ranks[column] = MISSING
        return 0

    cdef bint field(
        self, const uint8_t[::1] data, uint64_t type, Py_ssize_t begin, Py_ssize_t end, uint64_t bits,
        Py_ssize_t start, Py_ssize_t stop,
    ) except -1:
        cdef Py_ssize_t column
        cdef uint8_t rank = IS_STRING
        cdef double value = 0
        self.entries += 1
        if self.added.find(data, begin, end) >= 0:
            return False
        column = self.wanted.find(data, begin, end)
        if column < 0 or type == STRING and start == stop:
            return True  # an empty text is a missing field, as an empty tag is a missing tag
        if type == DOUBLE:
            rank = IS_DOUBLE
            memcpy(&value, &bits, sizeof(value))
        elif type != STRING:
            rank = IS_INTEGER if type == INTEGER else IS_BOOLEAN
            value = <double><int64_t>bits if type == INTEGER else <double>(bits != 0)
        if rank >= self.ranks[column]:
            self.ranks[column] = rank
            self.numbers[column] = value
        return True


cdef class Scanner(ColumnReader):
    """Finds the wanted fields in plain points; `_uncompiled` explains `scan`."""

    cdef bint incomplete
    cdef Py_ssize_t group_start, group_stop

    def __init__(self, wanted, added, bint incomplete):
        ColumnReader.__init__(self, wanted, added, False)
        self.incomplete = incomplete

    cdef int begin(self) except -1:
        ColumnReader.begin(self)
        self.group_start = self.group_stop = 0
        return 0

    cdef int text(self, const uint8_t[::1] data, uint64_t part, Py_ssize_t start, Py_ssize_t stop) except -1:
        if part == GROUP:
            self.group_start = start
            self.group_stop = stop
        return 0

    def scan(
        self, bytes frames, dict numbers, number,
        int64_t[::1] times, double[:, ::1] values, int64_t[::1] groups,
        int64_t[::1] starts, int64_t[::1] stops, uint8_t[::1] plain,
    ):
        cdef const uint8_t[::1] data = frames
        cdef Py_ssize_t at = 0, stop, row, column
        cdef bytes group
        for row in range(times.shape[0]):
            stop = frame_stop(data, &at)
            starts[row] = at
            stops[row] = stop
            plain[row] = self.read(data, at, stop) and self.is_complete()
            if plain[row]:
                times[row] = self.time
                for column in range(self.wanted.count):
                    values[row, column] = self.numbers[column]
                group = b""
                if self.group_stop > self.group_start:
                    group = PyBytes_FromStringAndSize(
                        <const char*>&data[self.group_start], self.group_stop - self.group_start
                    )
                found = numbers.get(group)
                groups[row] = number(group) if found is None else found
            at = stop

    cdef bint is_complete(self) except -1:
        """Whether the point has a field, and all wanted ones if it must have them. Sets missing ones to NaN."""
        cdef Py_ssize_t column
        if not self.entries:
            return False
        for column in range(self.wanted.count):
            if self.ranks[column] != IS_INTEGER and self.ranks[column] != IS_DOUBLE:
                if not self.incomplete:
                    return False
                self.numbers[column] = NAN
        return True


cdef class TagScanner(ColumnReader):
    """Finds the wanted fields and tags in plain points; `_uncompiled` explains `scan`."""

    cdef Names tags, measurements
    # Where the last message's measurement is.
    cdef Py_ssize_t name_begin, name_end
    # The tags of the last message: where the values of wanted ones are, hashes of all keys, and the point's identity.
    cdef Py_ssize_t[::1] begins, ends
    cdef uint64_t[::1] keys
    cdef Py_ssize_t count
    cdef uint64_t identity
    # A group's name while it is put together.
    cdef uint8_t[::1] name

    def __init__(self, wanted, tags, measurements):
        ColumnReader.__init__(self, wanted, [], True)
        self.tags = Names(tags)
        self.measurements = Names(measurements)
        self.begins = array("q", bytes(8 * (len(tags) + 1)))
        self.ends = array("q", bytes(8 * (len(tags) + 1)))
        self.keys = array("Q", bytes(8 * MOST_TAGS))
        self.name = bytearray(64)

    cdef int begin(self) except -1:
        cdef Py_ssize_t which
        ColumnReader.begin(self)
        self.count = 0
        self.identity = 0
        self.name_begin = self.name_end = 0
        for which in range(self.tags.count):
            self.begins[which] = self.ends[which] = 0
        return 0

    cdef int text(self, const uint8_t[::1] data, uint64_t part, Py_ssize_t start, Py_ssize_t stop) except -1:
        if part == NAME:
            self.name_begin = start
            self.name_end = stop
        return 0

    def scan(
        self, bytes frames, dict numbers, number,
        int64_t[::1] times, double[:, ::1] values, int64_t[::1] groups,
        uint64_t[::1] identities, int64_t[::1] unusable,
        int64_t[::1] starts, int64_t[::1] stops, uint8_t[::1] plain,
    ):
        cdef const uint8_t[::1] data = frames
        cdef Py_ssize_t at = 0, stop, row, column
        cdef uint8_t rank
        cdef double value
        cdef bytes group
        for row in range(times.shape[0]):
            stop = frame_stop(data, &at)
            starts[row] = at
            stops[row] = stop
            plain[row] = self.read(data, at, stop)
            if plain[row] and self.is_foreign(data):
                plain[row] = FOREIGN
            elif plain[row]:
                times[row] = self.time
                identities[row] = self.identity
                for column in range(self.wanted.count):
                    rank, value = self.ranks[column], self.numbers[column]
                    if rank == MISSING or rank == IS_STRING or not isfinite(value):
                        value = NAN
                        unusable[row] += rank != MISSING
                    values[row, column] = value
                group = self.group(data)
                found = numbers.get(group)
                groups[row] = number(group) if found is None else found
            at = stop

    cdef bint tag(
        self, const uint8_t[::1] data, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t start, Py_ssize_t stop
    ) except -1:
        cdef Py_ssize_t which
        cdef uint64_t key = mixed(<uint64_t>(end - begin))
        key = mixed_text(data, begin, end, key)
        # A key that is there twice is left to protobuf, and so are more tags than there is room for.
        for which in range(self.count):
            if self.keys[which] == key:
                return False
        if self.count == MOST_TAGS:
            return False
        self.keys[self.count] = key
        self.count += 1
        if start == stop:
            return True  # an empty tag is a missing one
        self.identity += mixed_text(data, start, stop, mixed(key ^ <uint64_t>(stop - start)))
        which = self.tags.find(data, begin, end)
        if which >= 0:
            self.begins[which] = start
            self.ends[which] = stop
        return True

    cdef bint is_foreign(self, const uint8_t[::1] data) except -1:
        """Whether the last message is of a measurement that is not wanted."""
        return self.measurements.count and self.measurements.find(data, self.name_begin, self.name_end) < 0

    cdef bytes group(self, const uint8_t[::1] data):
        """The group's name: of a wanted measurement and of each wanted tag, the length of its value and the value."""
        cdef Py_ssize_t which, needed = LARGEST_VARINT + self.name_end - self.name_begin, at = 0
        for which in range(self.tags.count):
            needed += LARGEST_VARINT + self.ends[which] - self.begins[which]
        if needed > self.name.shape[0]:
            self.name = bytearray(2 * needed)
        if self.measurements.count:
            at = self.put(data, self.name_begin, self.name_end, at)
        for which in range(self.tags.count):
            at = self.put(data, self.begins[which], self.ends[which], at)
        return PyBytes_FromStringAndSize(<const char*>&self.name[0], at)

    cdef Py_ssize_t put(self, const uint8_t[::1] data, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t at) except -1:
        """Put a text and its length into the group's name at a place, and return the place behind it."""
        cdef Py_ssize_t size = end - begin
        cdef uint64_t number = <uint64_t>size
        while number > 0x7F:
            self.name[at] = number & 0x7F | 0x80
            at += 1
            number >>= 7
        self.name[at] = <uint8_t>number
        at += 1
        if size:
            if size > self.name.shape[0] - at or end > data.shape[0]:
                raise IndexError("out of bounds")
            memcpy(&self.name[at], &data[begin], size)
            at += size
        return at


cdef class PointDecoder(PointReader):
    """Makes objects of plain points; `_uncompiled` explains `decode`."""

    cdef object make
    # Names, groups and tags come again and again: a place for each of some texts, found by its bytes, None at first.
    cdef list known
    # The parts of the last point; None for a map or a text that it does not have.
    cdef dict tags, doubles, integers, strings, booleans
    cdef list dimensions
    cdef str name, group, database, retention_policy

    def __init__(self, make):
        self.make = make
        self.any_float = True
        self.known = [None] * KNOWN

    def decode(self, bytes frames):
        cdef const uint8_t[::1] data = frames
        cdef Py_ssize_t at = 0, stop, end = data.shape[0]
        cdef list points = []
        cdef dict fields
        while at < end:
            stop = frame_stop(data, &at)
            if self.read(data, at, stop):
                fields = merged(merged(merged(self.strings, self.integers), self.doubles), self.booleans)
                points.append(
                    self.make(
                        self.time, {} if fields is None else fields, self.tags, self.name, self.dimensions, self.by_name,
                        self.group, self.database, self.retention_policy,
                    )
                )
            else:
                points.append(frames[at:stop])
            at = stop
        return points

    cdef int begin(self) except -1:
        PointReader.begin(self)
        self.tags = {}
        self.dimensions = []
        self.doubles = self.integers = self.strings = self.booleans = None
        self.name = self.group = self.database = self.retention_policy = ""
        return 0

    cdef int text(self, const uint8_t[::1] data, uint64_t part, Py_ssize_t start, Py_ssize_t stop) except -1:
        cdef str text = self.shared(data, start, stop)
        if part == NAME:
            self.name = text
        elif part == GROUP:
            self.group = text
        elif part == DATABASE:
            self.database = text
        elif part == RETENTION_POLICY:
            self.retention_policy = text
        else:
            self.dimensions.append(text)
        return 0

    cdef bint tag(
        self, const uint8_t[::1] data, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t start, Py_ssize_t stop
    ) except -1:
        self.tags[self.shared(data, begin, end)] = self.shared(data, start, stop)
        return True

    cdef bint field(
        self, const uint8_t[::1] data, uint64_t type, Py_ssize_t begin, Py_ssize_t end, uint64_t bits,
        Py_ssize_t start, Py_ssize_t stop,
    ) except -1:
        cdef str name = self.shared(data, begin, end)
        cdef double value
        if type == DOUBLE:
            if self.doubles is None:
                self.doubles = {}
            memcpy(&value, &bits, sizeof(value))
            self.doubles[name] = value
        elif type == INTEGER:
            if self.integers is None:
                self.integers = {}
            self.integers[name] = <int64_t>bits
        elif type == STRING:
            if self.strings is None:
                self.strings = {}
            self.strings[name] = string(data, start, stop)
        else:
            if self.booleans is None:
                self.booleans = {}
            self.booleans[name] = bits != 0
        return True

    cdef str shared(self, const uint8_t[::1] data, Py_ssize_t start, Py_ssize_t stop):
        """A text that is known to be UTF-8, the object that the last points had if there is one."""
        cdef Py_ssize_t place, size = stop - start, known_size = 0
        cdef const char* bytes_of
        cdef str known
        if size <= 0 or size > LONGEST_KNOWN:
            return string(data, start, stop)
        place = <Py_ssize_t>(mixed_text(data, start, stop, <uint64_t>size) & (KNOWN - 1))
        known = self.known[place]
        if known is not None:
            bytes_of = PyUnicode_AsUTF8AndSize(known, &known_size)
            if known_size == size and not memcmp(bytes_of, &data[start], size):
                return known
        known = string(data, start, stop)
        self.known[place] = known
        return known


cdef dict merged(dict first, dict second):
    """The entries of both, either of which may be None; the second one's count more."""
    if first is None:
        return second
    if second is not None:
        first.update(second)
    return first


cdef inline str string(const uint8_t[::1] data, Py_ssize_t start, Py_ssize_t stop):
    """A text that is known to be UTF-8."""
    if start >= stop:
        return ""
    if stop > data.shape[0]:
        raise IndexError("out of bounds")
    return PyUnicode_DecodeUTF8(<const char*>&data[start], stop - start, NULL)


cdef class PointEncoder:
    """Encodes points of plain Python objects; `_uncompiled` explains `encode`."""

    cdef uint8_t[::1] out
    cdef Py_ssize_t at

    def __init__(self):
        self.out = bytearray(1024)

    def encode(self, point):
        cdef Py_ssize_t inner, number = 0
        cdef bytes frame
        cdef uint8_t* into
        self.at = 0
        try:
            if not self.put_point(point):
                return None
        except (UnicodeEncodeError, OverflowError):
            return None
        inner = self.at
        # Three numbers and two bytes before the point.
        self.number(2 + varint_size(inner) + inner)
        self.room(2)
        self.out[self.at] = POINT_0
        self.out[self.at + 1] = POINT_1
        self.at += 2
        self.number(inner)
        number = self.at - inner
        frame = PyBytes_FromStringAndSize(NULL, self.at)
        into = <uint8_t*>PyBytes_AS_STRING(frame)
        memcpy(into, &self.out[inner], number)
        memcpy(into + number, &self.out[0], inner)
        return frame

    cdef bint put_point(self, point) except -1:
        """Write a point without its length. Returns whether all of it is plain, and it has a field."""
        cdef int64_t time
        fields, tags, dimensions, by_name = point.fields, point.tags, point.dimensions, point.by_name
        moment = point.time
        if (
            type(moment) is not int or type(fields) is not dict or not fields or type(tags) is not dict
            or (type(dimensions) is not list and type(dimensions) is not tuple) or type(by_name) is not bool
        ):
            return False
        time = moment
        if time:
            self.byte(TIME)
            self.number(<uint64_t>time)
        if not (
            self.optional(NAME, point.name) and self.optional(DATABASE, point.database)
            and self.optional(RETENTION_POLICY, point.retention_policy) and self.optional(GROUP, point.group)
        ):
            return False
        for each in dimensions:
            if type(each) is not str:
                return False
            self.byte(DIMENSION)
            self.text(<str>each)
        if by_name:
            self.byte(BY_NAME)
            self.byte(1)
        for key, value in (<dict>tags).items():
            if type(key) is not str or type(value) is not str:
                return False
            self.entry(TAG, <str>key, text_size(<str>value))
            self.byte(TEXT_VALUE)
            self.text(<str>value)
        for key, value in (<dict>fields).items():
            if type(key) is not str or not self.field(<str>key, value):
                return False
        return True

    cdef bint field(self, str key, value) except -1:
        cdef int64_t integer
        cdef double number
        cdef uint64_t bits
        cdef int i
        if type(value) is float:
            number = value
            if not isfinite(number):
                return False
            self.entry(DOUBLE, key, 8)
            self.byte(DOUBLE_VALUE)
            memcpy(&bits, &number, sizeof(bits))
            self.room(8)
            for i in range(8):
                self.out[self.at + i] = bits >> (8 * i) & 0xFF
            self.at += 8
        elif type(value) is bool:
            self.entry(BOOLEAN, key, 1)
            self.byte(NUMBER_VALUE)
            self.byte(value is True)
        elif type(value) is int:
            integer = value
            self.entry(INTEGER, key, varint_size(<uint64_t>integer))
            self.byte(NUMBER_VALUE)
            self.number(<uint64_t>integer)
        elif type(value) is str:
            self.entry(STRING, key, text_size(<str>value))
            self.byte(TEXT_VALUE)
            self.text(<str>value)
        else:
            return False
        return True

    cdef int entry(self, uint8_t tag, str key, Py_ssize_t value_size) except -1:
        """Write an entry of a map as far as its key."""
        self.byte(tag)
        self.number(2 + text_size(key) + value_size)
        self.byte(KEY)
        self.text(key)
        return 0

    cdef bint optional(self, uint8_t tag, text) except -1:
        """Write a part that is left out where it is empty. Returns whether it is plain."""
        if type(text) is not str:
            return False
        if text:
            self.byte(tag)
            self.text(<str>text)
        return True

    cdef int text(self, str text) except -1:
        """Write a text behind its length."""
        cdef Py_ssize_t size
        cdef const char* data = PyUnicode_AsUTF8AndSize(text, &size)
        self.number(size)
        self.room(size)
        if size:
            memcpy(&self.out[self.at], data, size)
            self.at += size
        return 0

    cdef inline int byte(self, uint8_t byte) except -1:
        self.room(1)
        self.out[self.at] = byte
        self.at += 1
        return 0

    cdef inline int number(self, uint64_t number) except -1:
        """Write a varint."""
        self.room(LARGEST_VARINT)
        while number > 0x7F:
            self.out[self.at] = number & 0x7F | 0x80
            self.at += 1
            number >>= 7
        self.out[self.at] = <uint8_t>number
        self.at += 1
        return 0

    cdef inline int room(self, Py_ssize_t size) except -1:
        """Make room for this many more bytes, and one."""
        if self.out.shape[0] - self.at <= size:
            grown = bytearray(2 * (self.at + size))
            grown[: self.at] = self.out[: self.at]
            self.out = grown
        return 0


cdef inline Py_ssize_t text_size(str text) except -1:
    """Bytes of a text with its length before it."""
    cdef Py_ssize_t size
    PyUnicode_AsUTF8AndSize(text, &size)
    return varint_size(size) + size


cdef inline uint64_t mixed(uint64_t number) noexcept:
    """Another number of 64 bits, as `_identity` explains."""
    number ^= number >> 32
    number *= <uint64_t>0xD6E8FEB86659FD93
    number ^= number >> 32
    number *= <uint64_t>0xD6E8FEB86659FD93
    return number ^ number >> 32


cdef inline uint64_t mixed_text(const uint8_t[::1] data, Py_ssize_t start, Py_ssize_t stop, uint64_t into) except? 0:
    """A number that depends on another one and on a text, as `_identity` explains."""
    cdef uint64_t word
    cdef int i
    while stop - start >= 8:
        word = 0
        for i in range(8):
            word |= <uint64_t>data[start + i] << (8 * i)
        into = mixed(into ^ word)
        start += 8
    if start < stop:
        word = 0
        for i in range(<int>(stop - start)):
            word |= <uint64_t>data[start + i] << (8 * i)
        into = mixed(into ^ word)
    return into


cdef class Entries:
    """Writes fields, which are entries of a point's maps. `columns`: for each field the number of its map and its name."""

    cdef const uint8_t[::1] heads
    cdef Py_ssize_t[::1] ends
    cdef uint8_t[::1] tags
    cdef Py_ssize_t[::1] sizes
    cdef Py_ssize_t count
    # The buffer that is written to, and the place in it.
    cdef uint8_t[::1] out
    cdef Py_ssize_t at

    def __init__(self, columns):
        heads = [bytes([KEY]) + frame(name) + bytes([VALUES[tag]]) for tag, name in columns]
        self.count = len(columns)
        self.heads = b"".join(heads) or b"\0"
        self.ends = array("q", accumulate(map(len, heads), initial=0))
        self.tags = bytearray([tag for tag, name in columns] or 1)
        self.sizes = array("q", bytes(8 * (len(columns) + 1)))

    cdef Py_ssize_t begin(
        self, Py_ssize_t rows, Py_ssize_t others, const uint64_t[:, ::1] cells, list texts
    ) except -1:
        """Make a buffer for the fields of rows, the lengths of their points, and this many other bytes."""
        cdef Py_ssize_t row, column
        # The sum of lengths, names, and the most bytes that a value without text can take.
        cdef Py_ssize_t capacity = others + rows * (32 + self.ends[self.count] + 20 * self.count)
        for column in range(self.count):
            if self.tags[column] == STRING:
                for row in range(rows):
                    if cells[row, column] != NONE:
                        capacity += len(<bytes>texts[cells[row, column]])
        self.out = bytearray(capacity)
        self.at = 0
        return capacity

    cdef bytes end(self):
        """What was written."""
        result = PyBytes_FromStringAndSize(<const char*>&self.out[0], self.at)
        self.out = None
        return result

    cdef Py_ssize_t entry_size(self, Py_ssize_t column, uint64_t cell, list texts) except -2:
        """Bytes of an entry in its point, or -1 if it is left out; `put_entry` goes by it."""
        cdef Py_ssize_t size
        cdef uint8_t tag = self.tags[column]
        if tag == DOUBLE:
            size = -1 if cell >> 52 & 0x7FF == 0x7FF else 8
        elif tag != STRING:
            size = varint_size(cell)
        elif cell == NONE:
            size = -1
        else:
            size = len(<bytes>texts[cell])
            size += varint_size(size)
        if size >= 0:
            size += self.ends[column + 1] - self.ends[column]
        self.sizes[column] = size
        return size if size < 0 else 1 + varint_size(size) + size

    cdef int put_entry(self, Py_ssize_t column, uint64_t cell, list texts) except -1:
        cdef uint8_t tag = self.tags[column]
        cdef uint8_t* into
        cdef bytes text
        cdef int i
        if self.sizes[column] < 0:
            return 0
        self.put_byte(tag)
        self.put(self.sizes[column])
        self.copy(self.heads, self.ends[column], self.ends[column + 1])
        if tag == DOUBLE:
            if self.out.shape[0] - self.at < 8:
                raise IndexError("out of bounds")
            into = &self.out[self.at]
            for i in range(8):
                into[i] = cell >> (8 * i) & 0xFF
            self.at += 8
        elif tag != STRING:
            self.put(cell)
        else:
            text = texts[cell]
            self.put(len(text))
            self.copy_bytes(text)
        return 0

    cdef inline int put_length(self, Py_ssize_t inner) except -1:
        """Write all that stands before a point of this many bytes."""
        self.put(2 + varint_size(inner) + inner)
        self.put_byte(POINT_0)
        self.put_byte(POINT_1)
        self.put(inner)
        return 0

    cdef inline int put_byte(self, uint8_t byte) except -1:
        self.out[self.at] = byte
        self.at += 1
        return 0

    cdef inline int put(self, uint64_t number) except -1:
        """Write a varint."""
        while number > 0x7F:
            self.put_byte(number & 0x7F | 0x80)
            number >>= 7
        return self.put_byte(<uint8_t>number)

    cdef inline int copy(self, const uint8_t[::1] data, Py_ssize_t start, Py_ssize_t stop) except -1:
        cdef Py_ssize_t size = stop - start
        if start < 0 or size < 0 or stop > data.shape[0] or size > self.out.shape[0] - self.at:
            raise IndexError("out of bounds")
        if size:
            memcpy(&self.out[self.at], &data[start], size)
            self.at += size
        return 0

    cdef inline int copy_bytes(self, bytes data) except -1:
        cdef Py_ssize_t size = len(data)
        if size > self.out.shape[0] - self.at:
            raise IndexError("out of bounds")
        if size:
            memcpy(&self.out[self.at], PyBytes_AS_STRING(data), size)
            self.at += size
        return 0


cdef class Appender(Entries):
    """Appends fields to plain points, as `_uncompiled` explains."""

    def append(
        self, bytes frames, const int64_t[::1] starts, const int64_t[::1] stops,
        const uint64_t[:, ::1] cells, list texts,
    ):
        cdef const uint8_t[::1] data = frames
        cdef Py_ssize_t row, column, start, stop, inner, size, not_finite = 0, messages = 0
        cdef Py_ssize_t rows = starts.shape[0]
        if not rows:
            return b"", 0
        for row in range(rows):
            messages += stops[row] - starts[row]
        self.begin(rows, messages, cells, texts)
        for row in range(rows):
            start, stop = starts[row] + 2, stops[row]
            varint(data, &start, stop)
            if start < 0:
                raise ValueError(f"row {row} is not a plain point")
            inner = stop - start
            for column in range(self.count):
                size = self.entry_size(column, cells[row, column], texts)
                if size >= 0:
                    inner += size
                elif self.tags[column] == DOUBLE:
                    not_finite += 1
            self.put_length(inner)
            self.copy(data, start, stop)
            for column in range(self.count):
                self.put_entry(column, cells[row, column], texts)
        return self.end(), not_finite


cdef class PointWriter(Entries):
    """Writes points, as `_uncompiled` explains."""

    def write(
        self, list heads, bytes tail, const int64_t[::1] times,
        const uint64_t[:, ::1] cells, const uint8_t[:, ::1] present, list texts,
    ):
        cdef Py_ssize_t row, column, inner, size, fields, points = 0, others = 0
        cdef Py_ssize_t rows = times.shape[0]
        cdef bytes head
        if not rows:
            return b"", 0
        for head in heads:
            others += len(head)
        if len(heads) == 1:
            others *= rows
        elif len(heads) != rows:
            raise IndexError(f"{len(heads)} heads for {rows} rows")
        self.begin(rows, others + rows * len(tail), cells, texts)
        head = heads[0]
        for row in range(rows):
            if len(heads) > 1:
                head = heads[row]
            inner = len(head) + 1 + varint_size(<uint64_t>times[row])
            fields = len(tail)
            for column in range(self.count):
                self.sizes[column] = -1
                if present[row, column]:
                    size = self.entry_size(column, cells[row, column], texts)
                    if size >= 0:
                        fields += size
            if not fields:
                continue
            points += 1
            self.put_length(inner + fields)
            self.copy_bytes(head)
            self.put_byte(TIME)
            self.put(<uint64_t>times[row])
            self.copy_bytes(tail)
            for column in range(self.count):
                self.put_entry(column, cells[row, column], texts)
        return self.end(), points
