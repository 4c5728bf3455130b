/*
 * The packets of SFTP version 3.
 */
#include "sftp/packet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The flags of ATTRS on the wire. */
#define ATTR_SIZE 0x1u
#define ATTR_UIDGID 0x2u
#define ATTR_PERMISSIONS 0x4u
#define ATTR_ACMODTIME 0x8u
#define ATTR_EXTENDED 0x80000000u

#define TYPE_EXTENDED 200

/*
 * Each operation: its type; its fields after the id, a letter for each: n name,
 * t to, o offset, l len, f open, a attrs; its reply, if it succeeds; its name,
 * and of an extension its version.
 */
static const struct sftp_op_row {
	uint8_t type;
	const char *fields;
	enum sftp_reply_type reply;
	const char *name;
	const char *version; /* NULL: it is not an extension */
} ops[SFTP_OPS] = {
	[SFTP_INIT] = { 1, "", SFTP_REPLY_VERSION, "INIT", NULL },
	[SFTP_OPEN] = { 3, "nfa", SFTP_REPLY_HANDLE, "OPEN", NULL },
	[SFTP_CLOSE] = { 4, "n", SFTP_REPLY_STATUS, "CLOSE", NULL },
	[SFTP_READ] = { 5, "nol", SFTP_REPLY_DATA, "READ", NULL },
	[SFTP_WRITE] = { 6, "nol", SFTP_REPLY_STATUS, "WRITE", NULL },
	[SFTP_LSTAT] = { 7, "n", SFTP_REPLY_ATTRS, "LSTAT", NULL },
	[SFTP_FSTAT] = { 8, "n", SFTP_REPLY_ATTRS, "FSTAT", NULL },
	[SFTP_SETSTAT] = { 9, "na", SFTP_REPLY_STATUS, "SETSTAT", NULL },
	[SFTP_FSETSTAT] = { 10, "na", SFTP_REPLY_STATUS, "FSETSTAT", NULL },
	[SFTP_OPENDIR] = { 11, "n", SFTP_REPLY_HANDLE, "OPENDIR", NULL },
	[SFTP_READDIR] = { 12, "n", SFTP_REPLY_NAME, "READDIR", NULL },
	[SFTP_REMOVE] = { 13, "n", SFTP_REPLY_STATUS, "REMOVE", NULL },
	[SFTP_MKDIR] = { 14, "na", SFTP_REPLY_STATUS, "MKDIR", NULL },
	[SFTP_RMDIR] = { 15, "n", SFTP_REPLY_STATUS, "RMDIR", NULL },
	[SFTP_REALPATH] = { 16, "n", SFTP_REPLY_NAME, "REALPATH", NULL },
	[SFTP_STAT] = { 17, "n", SFTP_REPLY_ATTRS, "STAT", NULL },
	[SFTP_RENAME] = { 18, "nt", SFTP_REPLY_STATUS, "RENAME", NULL },
	[SFTP_READLINK] = { 19, "n", SFTP_REPLY_NAME, "READLINK", NULL },
	[SFTP_POSIX_RENAME] = { TYPE_EXTENDED, "nt", SFTP_REPLY_STATUS,
	    "posix-rename@openssh.com", "1" },
	[SFTP_HARDLINK] = { TYPE_EXTENDED, "nt", SFTP_REPLY_STATUS,
	    "hardlink@openssh.com", "1" },
	[SFTP_FSYNC] = { TYPE_EXTENDED, "n", SFTP_REPLY_STATUS,
	    "fsync@openssh.com", "1" },
	[SFTP_STATVFS] = { TYPE_EXTENDED, "n", SFTP_REPLY_EXTENDED,
	    "statvfs@openssh.com", "2" },
	[SFTP_LSETSTAT] = { TYPE_EXTENDED, "na", SFTP_REPLY_STATUS,
	    "lsetstat@openssh.com", "1" },
	[SFTP_EXPAND_PATH] = { TYPE_EXTENDED, "n", SFTP_REPLY_NAME,
	    "expand-path@openssh.com", "1" },
	[SFTP_LIMITS] = { TYPE_EXTENDED, "", SFTP_REPLY_EXTENDED,
	    "limits@openssh.com", "1" },
};

struct sftp_string
sftp_string_of(const char *text)
{
	return (struct sftp_string) { (const uint8_t *)text, strlen(text) };
}

/* ---- requests ---- */

struct packet_out {
	uint8_t *bytes;
	size_t len;
};

static void
put_bytes(struct packet_out *out, const void *bytes, size_t len)
{
	assert(len <= SFTP_PUT_MAX - out->len);
	if (len > 0)
		memcpy(out->bytes + out->len, bytes, len);
	out->len += len;
}

static void
put_u32(struct packet_out *out, uint32_t value)
{
	uint8_t bytes[4];

	wire_poke_u32(bytes, value);
	put_bytes(out, bytes, sizeof(bytes));
}

static void
put_u64(struct packet_out *out, uint64_t value)
{
	uint8_t bytes[8];

	wire_poke_u64(bytes, value);
	put_bytes(out, bytes, sizeof(bytes));
}

static void
put_string(struct packet_out *out, const void *bytes, size_t len)
{
	put_u32(out, (uint32_t)len);
	put_bytes(out, bytes, len);
}

static void
put_attrs(struct packet_out *out, const struct sftp_attrs *attrs)
{
	uint32_t flags = 0;

	if ((attrs->has & SFTP_ATTR_SIZE) != 0)
		flags |= ATTR_SIZE;
	if ((attrs->has & SFTP_ATTR_MODE) != 0)
		flags |= ATTR_PERMISSIONS;
	if ((attrs->has & SFTP_ATTR_TIMES) != 0)
		flags |= ATTR_ACMODTIME;
	put_u32(out, flags);
	if ((flags & ATTR_SIZE) != 0)
		put_u64(out, attrs->size);
	if ((flags & ATTR_PERMISSIONS) != 0)
		put_u32(out, attrs->mode);
	if ((flags & ATTR_ACMODTIME) != 0) {
		put_u32(out, attrs->atime);
		put_u32(out, attrs->mtime);
	}
}

static void
put_field(struct packet_out *out, const struct sftp_request *request,
    char field)
{
	switch (field) {
	case 'n':
		put_string(out, request->name.bytes, request->name.len);
		break;
	case 't':
		put_string(out, request->to.bytes, request->to.len);
		break;
	case 'o':
		put_u64(out, request->offset);
		break;
	case 'l':
		put_u32(out, request->len);
		break;
	case 'f':
		put_u32(out, request->open);
		break;
	default:
		put_attrs(out, &request->attrs);
		break;
	}
}

/* A handle is bytes, and may contain a NUL. */
static bool
op_has_handle(enum sftp_op op)
{
	return op == SFTP_CLOSE || op == SFTP_READ || op == SFTP_WRITE ||
	    op == SFTP_FSTAT || op == SFTP_FSETSTAT || op == SFTP_READDIR ||
	    op == SFTP_FSYNC;
}

static bool
string_is_fit(const struct sftp_string *string, bool path)
{
	return string->len <= SFTP_PATH_MAX &&
	    !(path && string->len > 0 &&
		memchr(string->bytes, '\0', string->len) != NULL);
}

size_t
sftp_put(const struct sftp_request *request, uint32_t id,
    uint8_t bytes[SFTP_PUT_MAX])
{
	const struct sftp_op_row *op = &ops[request->op];
	struct packet_out out = { .bytes = bytes, .len = 4 };
	size_t len;

	if (!string_is_fit(&request->name, !op_has_handle(request->op)) ||
	    !string_is_fit(&request->to, true))
		return 0;
	put_bytes(&out, &op->type, 1);
	put_u32(&out, request->op == SFTP_INIT ? SFTP_VERSION : id);
	if (op->version != NULL)
		put_string(&out, op->name, strlen(op->name));
	for (const char *field = op->fields; *field != '\0'; field++)
		put_field(&out, request, *field);
	len = out.len - 4;
	if (request->op == SFTP_WRITE)
		len += request->len;
	wire_poke_u32(bytes, (uint32_t)len);
	return out.len;
}

const char *
sftp_op_name(enum sftp_op op)
{
	return ops[op].name;
}

static bool
string_is(const struct sftp_string *string, const char *text)
{
	return string->len == strlen(text) &&
	    memcmp(string->bytes, text, string->len) == 0;
}

enum sftp_op
sftp_extension(const struct sftp_string *name,
    const struct sftp_string *version)
{
	for (enum sftp_op op = SFTP_POSIX_RENAME; op < SFTP_OPS; op++)
		if (string_is(name, ops[op].name) &&
		    string_is(version, ops[op].version))
			return op;
	return SFTP_INIT;
}

/* ---- replies ---- */

static struct sftp_string
get_string(struct wire_in *in)
{
	struct sftp_string string;

	string.bytes = wire_get_string(in, &string.len);
	return string;
}

static struct sftp_attrs
get_attrs(struct wire_in *in)
{
	struct sftp_attrs attrs = { .has = 0 };
	uint32_t flags = wire_get_u32(in), n;

	if ((flags & ATTR_SIZE) != 0) {
		attrs.has |= SFTP_ATTR_SIZE;
		attrs.size = wire_get_u64(in);
	}
	if ((flags & ATTR_UIDGID) != 0) {
		attrs.has |= SFTP_ATTR_OWNER;
		attrs.uid = wire_get_u32(in);
		attrs.gid = wire_get_u32(in);
	}
	if ((flags & ATTR_PERMISSIONS) != 0) {
		attrs.has |= SFTP_ATTR_MODE;
		attrs.mode = wire_get_u32(in);
	}
	if ((flags & ATTR_ACMODTIME) != 0) {
		attrs.has |= SFTP_ATTR_TIMES;
		attrs.atime = wire_get_u32(in);
		attrs.mtime = wire_get_u32(in);
	}
	if ((flags & ATTR_EXTENDED) != 0)
		for (n = wire_get_u32(in); n > 0 && !in->bad; n--) {
			get_string(in);
			get_string(in);
		}
	return attrs;
}

static void
get_status(struct wire_in *in, struct sftp_reply *reply)
{
	reply->status = wire_get_u32(in);
	if (!in->bad && in->len >= 4) {
		reply->string = get_string(in);
		/* The language that follows says nothing. */
		if (in->bad) {
			reply->string = (struct sftp_string) { .len = 0 };
			in->bad = false;
		}
	}
}

int
sftp_parse(const uint8_t *bytes, size_t len, struct sftp_reply *ret)
{
	struct wire_in in = { .bytes = bytes, .len = len };
	struct sftp_reply reply = { .type = wire_get_u8(&in) };

	if (reply.type == SFTP_REPLY_VERSION)
		reply.version = wire_get_u32(&in);
	else
		reply.id = wire_get_u32(&in);
	switch (reply.type) {
	case SFTP_REPLY_VERSION:
	case SFTP_REPLY_EXTENDED:
		break;
	case SFTP_REPLY_STATUS:
		get_status(&in, &reply);
		break;
	case SFTP_REPLY_HANDLE:
	case SFTP_REPLY_DATA:
		reply.string = get_string(&in);
		break;
	case SFTP_REPLY_NAME:
		reply.n_names = wire_get_u32(&in);
		break;
	case SFTP_REPLY_ATTRS:
		reply.attrs = get_attrs(&in);
		break;
	default:
		return -EPROTO;
	}
	if (in.bad)
		return -EPROTO;
	reply.rest = in;
	*ret = reply;
	return 0;
}

bool
sftp_fits(enum sftp_op op, const struct sftp_reply *reply)
{
	if (reply->type == SFTP_REPLY_STATUS && reply->status != SFTP_OK)
		return true;
	return reply->type == ops[op].reply;
}

int
sftp_next_name(struct sftp_reply *reply, struct sftp_name *ret)
{
	struct sftp_name name;

	if (reply->n_names == 0)
		return 0;
	name.name = get_string(&reply->rest);
	get_string(&reply->rest); /* "longname", which has no rules */
	name.attrs = get_attrs(&reply->rest);
	if (reply->rest.bad)
		return -EPROTO;
	reply->n_names--;
	*ret = name;
	return 1;
}

int
sftp_next_extension(struct sftp_reply *reply, struct sftp_string *ret_name,
    struct sftp_string *ret_version)
{
	struct sftp_string name, version;

	if (reply->rest.len == 0)
		return 0;
	name = get_string(&reply->rest);
	version = get_string(&reply->rest);
	if (reply->rest.bad)
		return -EPROTO;
	*ret_name = name;
	*ret_version = version;
	return 1;
}

int
sftp_get_limits(const struct sftp_reply *reply, struct sftp_limits *ret)
{
	struct wire_in in = reply->rest;
	struct sftp_limits limits;

	limits.packet = wire_get_u64(&in);
	limits.read = wire_get_u64(&in);
	limits.write = wire_get_u64(&in);
	limits.handles = wire_get_u64(&in);
	if (reply->type != SFTP_REPLY_EXTENDED || in.bad)
		return -EPROTO;
	*ret = limits;
	return 0;
}

/* a * b, or the largest number. */
static uint64_t
multiply(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

int
sftp_get_space(const struct sftp_reply *reply, struct sftp_space *ret)
{
	struct wire_in in = reply->rest;
	uint64_t unit, total, free, available;

	wire_get_u64(&in); /* the block size; counts are in fragments */
	unit = wire_get_u64(&in);
	total = wire_get_u64(&in);
	free = wire_get_u64(&in);
	available = wire_get_u64(&in);
	if (reply->type != SFTP_REPLY_EXTENDED || in.bad)
		return -EPROTO;
	*ret = (struct sftp_space) {
		.total = multiply(total, unit),
		.free = multiply(free, unit),
		.available = multiply(available, unit),
	};
	return 0;
}
