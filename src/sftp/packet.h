/*
 * The packets of the SSH File Transfer Protocol, version 3, that a client
 * sends and receives (draft-ietf-secsh-filexfer-02), and OpenSSH's extensions
 * (PROTOCOL in its source, section 4): a codec, no I/O.
 *
 * Names are bytes: they have no character set, and may contain any byte but
 * NUL.
 */
#ifndef SFTP_PACKET_H
#define SFTP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

/* The version that culvert speaks (section 4). */
#define SFTP_VERSION 3

/* Bytes of somebody else's; bytes may be NULL if len is 0. */
struct sftp_string {
	const uint8_t *bytes;
	size_t len;
};

/* The text as the name of a request. */
struct sftp_string sftp_string_of(const char *text);

/* ---- attributes (section 5) ---- */

/* Which fields of struct sftp_attrs are set. */
enum sftp_attr {
	SFTP_ATTR_SIZE = 1 << 0,
	SFTP_ATTR_OWNER = 1 << 1,
	SFTP_ATTR_MODE = 1 << 2,
	SFTP_ATTR_TIMES = 1 << 3,
};

struct sftp_attrs {
	uint32_t has; /* of enum sftp_attr */
	uint64_t size;
	uint32_t uid, gid;
	uint32_t mode;	       /* as st_mode, with the type of the file */
	uint32_t atime, mtime; /* seconds since 1970 */
};

/* ---- requests (section 6) ---- */

enum sftp_op {
	SFTP_INIT,
	SFTP_OPEN,
	SFTP_CLOSE,
	SFTP_READ,
	SFTP_WRITE,
	SFTP_LSTAT,
	SFTP_FSTAT,
	SFTP_SETSTAT,
	SFTP_FSETSTAT,
	SFTP_OPENDIR,
	SFTP_READDIR,
	SFTP_REMOVE,
	SFTP_MKDIR,
	SFTP_RMDIR,
	SFTP_REALPATH,
	SFTP_STAT,
	SFTP_RENAME, /* whether it replaces a file depends on the server */
	SFTP_READLINK,
	/* Extensions of OpenSSH.  Sent only if the server has announced them
	 * (sftp_extension()). */
	SFTP_POSIX_RENAME, /* replaces a file, as rename(2) */
	SFTP_HARDLINK,
	SFTP_FSYNC,
	SFTP_STATVFS,
	SFTP_LSETSTAT,
	SFTP_EXPAND_PATH,
	SFTP_LIMITS,
};

#define SFTP_OPS (SFTP_LIMITS + 1)

/* How to open a file (section 6.3). */
enum sftp_open {
	SFTP_OPEN_READ = 1 << 0,
	SFTP_OPEN_WRITE = 1 << 1,
	SFTP_OPEN_APPEND = 1 << 2,
	SFTP_OPEN_CREATE = 1 << 3,
	SFTP_OPEN_TRUNCATE = 1 << 4,
	SFTP_OPEN_EXCLUSIVE = 1 << 5,
};

/* A request.  Fields that its operation does not have are ignored. */
struct sftp_request {
	enum sftp_op op;
	struct sftp_string name; /* a path; or a handle: CLOSE, READ, WRITE,
				  * FSTAT, FSETSTAT, READDIR, FSYNC */
	struct sftp_string to;	 /* RENAME, POSIX_RENAME, HARDLINK: the new
				  * path */
	uint64_t offset;	 /* READ, WRITE: of the first byte */
	uint32_t len;		 /* READ: at most; WRITE: of the data */
	uint32_t open;		 /* OPEN: of enum sftp_open */
	struct sftp_attrs attrs; /* OPEN, MKDIR, SETSTAT, FSETSTAT, LSETSTAT:
				  * without SFTP_ATTR_OWNER */
};

/* The longest packet of sftp_put(): two paths, and what is around them. */
#define SFTP_PATH_MAX 4096
#define SFTP_PUT_MAX (2 * SFTP_PATH_MAX + 256)

/*
 * Writes the packet of a request to out, with its length in front.  For WRITE
 * all but the data, which the caller sends next: request->len bytes.  Returns
 * how many bytes it wrote; 0 if name or to is longer than SFTP_PATH_MAX or
 * contains a NUL (a path with it would be another one at the server).
 */
size_t sftp_put(const struct sftp_request *request, uint32_t id,
    uint8_t out[SFTP_PUT_MAX]);

/* For messages: "OPEN", "fsync@openssh.com". */
const char *sftp_op_name(enum sftp_op op);

/* The operation of an extension that a server has announced, by its name and
 * version; SFTP_INIT if culvert does not know it. */
enum sftp_op sftp_extension(const struct sftp_string *name,
    const struct sftp_string *version);

/* ---- replies (section 7) ---- */

enum sftp_reply_type {
	SFTP_REPLY_VERSION = 2,
	SFTP_REPLY_STATUS = 101,
	SFTP_REPLY_HANDLE = 102,
	SFTP_REPLY_DATA = 103,
	SFTP_REPLY_NAME = 104,
	SFTP_REPLY_ATTRS = 105,
	SFTP_REPLY_EXTENDED = 201,
};

/* SSH_FX_* of section 7. */
enum sftp_status {
	SFTP_OK,
	SFTP_EOF,
	SFTP_NO_SUCH_FILE,
	SFTP_PERMISSION_DENIED,
	SFTP_FAILURE,
	SFTP_BAD_MESSAGE,
	SFTP_NO_CONNECTION,
	SFTP_CONNECTION_LOST,
	SFTP_OP_UNSUPPORTED,
};

/* A packet of the server.  Fields that its type does not have are zero. */
struct sftp_reply {
	uint8_t type;	  /* enum sftp_reply_type */
	uint32_t id;	  /* of the request; VERSION: 0 */
	uint32_t version; /* VERSION */
	uint32_t status;  /* STATUS: enum sftp_status, or an unknown one */
	/* STATUS: the server's text, which may be missing; HANDLE: the handle;
	 * DATA: the data. */
	struct sftp_string string;
	struct sftp_attrs attrs; /* ATTRS */
	/* NAME: for sftp_next_name(); VERSION: for sftp_next_extension();
	 * EXTENDED: the fields. */
	uint32_t n_names;
	struct wire_in rest;
};

/*
 * Reads a packet, without its length in front.  Pointers in *ret point into it.
 * 0; or -EPROTO if it is not a reply of section 7, and *ret is untouched.
 * Lenient where servers are known to differ: a STATUS without text, a packet
 * that goes on behind its last field.
 */
int sftp_parse(const uint8_t *bytes, size_t len, struct sftp_reply *ret);

/* Can that be the reply to such a request?  An error can always; SFTP_OK only
 * if the operation has no other reply. */
bool sftp_fits(enum sftp_op op, const struct sftp_reply *reply);

struct sftp_name {
	struct sftp_string name;
	struct sftp_attrs attrs;
};

/* Takes the next name of a NAME (READDIR, REALPATH, READLINK).  1; 0 at the
 * end; -EPROTO if the packet is cut short. */
int sftp_next_name(struct sftp_reply *reply, struct sftp_name *ret);

/* Takes the next extension of a VERSION; returns the same. */
int sftp_next_extension(struct sftp_reply *reply, struct sftp_string *ret_name,
    struct sftp_string *ret_version);

/* The limits of a server in bytes; 0: not limited, or not known. */
struct sftp_limits {
	uint64_t packet, read, write;
	uint64_t handles; /* how many may be open */
};

/* Reads the reply to LIMITS; 0 or -EPROTO, and *ret is untouched. */
int sftp_get_limits(const struct sftp_reply *reply, struct sftp_limits *ret);

/* The file system of a path, in bytes. */
struct sftp_space {
	uint64_t total, free, available; /* available: to this user */
};

/* Reads the reply to STATVFS; 0 or -EPROTO, and *ret is untouched. */
int sftp_get_space(const struct sftp_reply *reply, struct sftp_space *ret);

#endif
