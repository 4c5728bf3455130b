/*
 * For fuzz_gateway.c: replies of SFTP servers.
 */
#include "gateway_peer.h"

#include <assert.h>
#include <string.h>

#include "base/wire.h"

uint32_t
peer_u32(const uint8_t bytes[4])
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3];
}

static void
put(struct buf *out, const void *bytes, size_t len)
{
	assert(buf_append(out, bytes, len) == 0);
}

static void
put_u32(struct buf *out, size_t value)
{
	uint8_t bytes[4];

	wire_poke_u32(bytes, (uint32_t)value);
	put(out, bytes, 4);
}

static void
put_string(struct buf *out, const void *bytes, size_t len)
{
	put_u32(out, len);
	put(out, bytes, len);
}

static void
put_attrs(struct buf *out, uint8_t how)
{
	static const uint32_t modes[] = { 0100644, 040755, 0120777, 020666 };

	put_u32(out, (how & 1U) | (how & 2U) << 1);
	if (how & 1)
		put(out, (uint8_t[8]) { 0, 0, 0, 0, 0, how & 8, how, 0 }, 8);
	if (how & 2)
		put_u32(out, modes[how >> 2 & 3]);
}

static void
put_names(struct buf *out, uint8_t how)
{
	static const char *const names[] = { "a", ".", "..", "", "x y", "\xe9",
		"/d/e", ".h" };

	put_u32(out, 1 + how % 3);
	for (unsigned i = 0; i <= how % 3u; i++) {
		put_string(out, names[(how + i) % 8],
		    strlen(names[(how + i) % 8]));
		put_string(out, "long", 4);
		put_attrs(out, (uint8_t)(how + i));
	}
}

void
peer_reply(struct buf *out, const struct waiting *one, uint8_t status,
    uint8_t how)
{
	static const uint8_t zeros[65536];
	static const char version[] =
	    "\2\0\0\0\3\0\0\0\030posix-rename@openssh.com\0\0\0\0011"
	    "\0\0\0\021fsync@openssh.com\0\0\0\0011"
	    "\0\0\0\024lsetstat@openssh.com\0\0\0\0011"
	    "\0\0\0\023statvfs@openssh.com\0\0\0\0012";
	static const uint8_t types[] = { [OPEN] = 102,
		[OPENDIR] = 102,
		[READ] = 103,
		[READDIR] = 104,
		[REALPATH] = 104,
		[READLINK] = 104,
		[STAT] = 105,
		[LSTAT] = 105,
		[FSTAT] = 105 };
	uint8_t type = one->type < sizeof(types) ? types[one->type] :
	    one->extension == 's'		 ? 201 :
						   0;
	size_t len = how & 128 ? one->len : how % 64;

	if (one->type == INIT) {
		put(out, version, how & 1 ? sizeof(version) - 1 : 5);
		return;
	}
	if (status != 0 || type == 0)
		type = 101;
	put(out, &type, 1);
	put(out, one->id, 4);
	if (type == 101)
		put_u32(out, status);
	else if (type == 102)
		put_string(out, (uint8_t[2]) { 'h', one->upload }, 2);
	else if (type == 103)
		put_string(out, zeros, len < 65536 ? len : 65536);
	else if (type == 104)
		put_names(out, how);
	else if (type == 105)
		put_attrs(out, how);
	else
		put(out, zeros, 88);
}
