package datafile

import (
	"encoding/binary"
	"errors"
)

// Limits of metadata in the compact protocol of Thrift.
const (
	maxThriftEntries = 1 << 20 // of all lists together
	maxThriftDepth   = 32
)

// thriftWalk steps over metadata without storing it. Once something is wrong, bad stays true.
type thriftWalk struct {
	rest    []byte
	entries uint64 // of lists that may still come
	bad     bool
}

// soundThrift checks that metadata is nested only so deep and that its lists have only so many entries: the library
// allocates as many as are declared, and recurses as deep.
func soundThrift(metadata []byte) error {
	t := thriftWalk{rest: metadata, entries: maxThriftEntries}
	if t.structure(0); t.bad {
		return errors.New("its metadata is damaged")
	}
	return nil
}

// Types of the protocol. A boolean in a structure is its type.
const (
	thriftTrue = iota + 1
	thriftFalse
	thriftByte
	thriftInt16
	thriftInt32
	thriftInt64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap // not used by Parquet
	thriftStruct
	thriftUUID
)

func (t *thriftWalk) structure(depth int) {
	for !t.bad {
		head := t.byte()
		if head == 0 {
			return
		}
		if head>>4 == 0 { // the number of the field follows, instead of its distance from the last one
			t.number()
		}
		if kind := head & 15; kind > thriftFalse {
			t.value(kind, depth+1)
		}
	}
}

func (t *thriftWalk) value(kind byte, depth int) {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		t.skip(1)
	case thriftInt16, thriftInt32, thriftInt64:
		t.number()
	case thriftDouble:
		t.skip(8)
	case thriftBinary:
		t.skip(t.number())
	case thriftUUID:
		t.skip(16)
	case thriftList, thriftSet:
		t.list(depth)
	case thriftStruct:
		if t.bad = t.bad || depth > maxThriftDepth; !t.bad {
			t.structure(depth)
		}
	default:
		t.bad = true
	}
}

func (t *thriftWalk) list(depth int) {
	head := t.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = t.number()
	}
	if t.bad = t.bad || size > min(t.entries, uint64(len(t.rest))) || depth > maxThriftDepth; t.bad {
		return
	}
	t.entries -= size
	for ; size > 0 && !t.bad; size-- {
		t.value(head&15, depth+1)
	}
}

func (t *thriftWalk) number() uint64 {
	n, size := binary.Uvarint(t.rest)
	if t.bad = t.bad || size <= 0; t.bad {
		return 0
	}
	t.rest = t.rest[size:]
	return n
}

func (t *thriftWalk) byte() byte {
	if t.bad = t.bad || len(t.rest) == 0; t.bad {
		return 0
	}
	b := t.rest[0]
	t.rest = t.rest[1:]
	return b
}

func (t *thriftWalk) skip(n uint64) {
	if t.bad = t.bad || n > uint64(len(t.rest)); !t.bad {
		t.rest = t.rest[n:]
	}
}
