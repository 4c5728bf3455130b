/*
 * Finds the end of a file in its data.
 */
#include "ftp/framing.h"

#include <stdbool.h>
#include <string.h>

#define DESCRIPTOR_EOF 0x40

/* RFC 959 section 3.4.1: FF 01 ends a record, FF 02 the file, FF 03 both.  A
 * data byte FF is sent twice. */
enum record_state {
	RECORD_DATA,
	RECORD_ESCAPED,
};

static void
end_file(struct framing_reader *reader, size_t rest, size_t *ends)
{
	reader->behind = rest;
	(*ends)++;
}

static size_t
feed_record(struct framing_reader *reader, const uint8_t *bytes, size_t len)
{
	const uint8_t *escape;
	size_t at = 0, ends = 0;

	while (at < len) {
		if (reader->state == RECORD_ESCAPED) {
			reader->state = RECORD_DATA;
			at++;
			if (bytes[at - 1] == 2 || bytes[at - 1] == 3)
				end_file(reader, len - at, &ends);
			continue;
		}
		escape = memchr(bytes + at, 0xff, len - at);
		if (escape == NULL)
			break;
		reader->state = RECORD_ESCAPED;
		at = (size_t)(escape - bytes) + 1;
	}
	return ends;
}

/* RFC 959 section 3.4.2: a descriptor, two bytes with the length, then the
 * data. */
enum block_state {
	BLOCK_DESCRIPTOR,
	BLOCK_HIGH,
	BLOCK_LOW,
	BLOCK_DATA,
};

static size_t
feed_block(struct framing_reader *reader, const uint8_t *bytes, size_t len)
{
	size_t at = 0, ends = 0, n;

	while (at < len) {
		switch ((enum block_state)reader->state) {
		case BLOCK_DESCRIPTOR:
			reader->descriptor = bytes[at++];
			reader->state = BLOCK_HIGH;
			continue;
		case BLOCK_HIGH:
			reader->left = (unsigned)bytes[at++] << 8;
			reader->state = BLOCK_LOW;
			continue;
		case BLOCK_LOW:
			reader->left |= bytes[at++];
			reader->state = BLOCK_DATA;
			break;
		case BLOCK_DATA:
			n = len - at < reader->left ? len - at : reader->left;
			at += n;
			reader->left -= (unsigned)n;
			break;
		}
		if (reader->left > 0)
			continue;
		if ((reader->descriptor & DESCRIPTOR_EOF) != 0)
			end_file(reader, len - at, &ends);
		reader->state = BLOCK_DESCRIPTOR;
	}
	return ends;
}

/* RFC 959 section 3.4.3: 0nnnnnnn and n bytes; 10nnnnnn and one byte; 11nnnnnn
 * alone; or a byte 0 and a descriptor, which applies to the next string. */
enum compressed_state {
	COMPRESSED_HEADER,
	COMPRESSED_DESCRIPTOR,
	COMPRESSED_DATA,
};

static void
take_header(struct framing_reader *reader, uint8_t byte)
{
	reader->state = byte == 0 ? COMPRESSED_DESCRIPTOR : COMPRESSED_DATA;
	if ((byte & 0x80) == 0)
		reader->left = byte;
	else
		reader->left = (byte & 0x40) == 0 ? 1 : 0;
}

static size_t
feed_compressed(struct framing_reader *reader, const uint8_t *bytes, size_t len)
{
	size_t at = 0, ends = 0, n;

	while (at < len) {
		if (reader->state == COMPRESSED_HEADER) {
			take_header(reader, bytes[at++]);
		} else if (reader->state == COMPRESSED_DESCRIPTOR) {
			reader->descriptor = bytes[at++];
			reader->state = COMPRESSED_HEADER;
			continue;
		} else {
			n = len - at < reader->left ? len - at : reader->left;
			at += n;
			reader->left -= (unsigned)n;
		}
		if (reader->state != COMPRESSED_DATA || reader->left > 0)
			continue;
		if ((reader->descriptor & DESCRIPTOR_EOF) != 0)
			end_file(reader, len - at, &ends);
		reader->descriptor = 0;
		reader->state = COMPRESSED_HEADER;
	}
	return ends;
}

void
framing_init(struct framing_reader *reader, enum framing framing)
{
	*reader = (struct framing_reader) { .framing = framing };
}

size_t
framing_feed(struct framing_reader *reader, const uint8_t *bytes, size_t len)
{
	reader->behind += len;
	switch (reader->framing) {
	case FRAMING_RECORD:
		return feed_record(reader, bytes, len);
	case FRAMING_BLOCK:
		return feed_block(reader, bytes, len);
	case FRAMING_COMPRESSED:
		return feed_compressed(reader, bytes, len);
	case FRAMING_NONE:
		break;
	}
	return 0;
}
