/*
 * SFTP's status codes as FTP replies.
 */
#include "gateway/status.h"

#include <stdio.h>
#include <string.h>

/* Later versions of SFTP have more codes, and servers send them to clients of
 * version 3 as well (draft-ietf-secsh-filexfer-13 section 9.1). */
static const struct {
	uint32_t status;
	unsigned code; /* 0: that of what was requested */
	const char *text;
} statuses[] = {
	{ SFTP_EOF, 0, "Unexpected end of file" },
	{ SFTP_NO_SUCH_FILE, 0, "No such file or directory" },
	{ SFTP_PERMISSION_DENIED, 0, "Permission denied" },
	{ SFTP_NO_CONNECTION, 451, "The SFTP server does not answer" },
	{ SFTP_CONNECTION_LOST, 426, "The SSH connection was lost" },
	{ SFTP_OP_UNSUPPORTED, 0, "The SFTP server does not support this" },
	{ 11, 0, "The file exists already" },
	{ 12, 0, "The file system is read-only" },
	{ 14, 552, "No space is left on the SFTP server" },
	{ 15, 552, "The quota on the SFTP server is exceeded" },
	{ 17, 450, "The file is locked" },
	{ 18, 0, "The directory is not empty" },
	{ 19, 0, "It is not a directory" },
	{ 24, 0, "It is a directory" },
};

/* Without a code of its own: the server's text, if it has one. */
static void
status_copy_text(const struct sftp_string *from, const char *otherwise,
    char text[STATUS_TEXT_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < from->len && len < STATUS_TEXT_MAX - 1; i++)
		if (from->bytes[i] >= ' ' && from->bytes[i] != 0x7f)
			text[len++] = (char)from->bytes[i];
	text[len] = '\0';
	if (len == 0)
		snprintf(text, STATUS_TEXT_MAX, "%s", otherwise);
}

unsigned
status_to_ftp(enum status_of of, const struct sftp_reply *reply,
    char text[STATUS_TEXT_MAX])
{
	static const unsigned codes[] = {
		[STATUS_OF_FILE] = 550,
		[STATUS_OF_STORE] = 553,
		[STATUS_OF_WRITE] = 552,
		[STATUS_OF_READ] = 451,
	};
	static const char *const failures[] = {
		[STATUS_OF_FILE] = "The SFTP server has refused it",
		[STATUS_OF_STORE] = "The SFTP server has refused it",
		/* OpenSSH does not say more than "Failure" if the disk is
		 * full. */
		[STATUS_OF_WRITE] = ("The SFTP server cannot write; its disk "
				     "may be full"),
		[STATUS_OF_READ] = "The SFTP server cannot read the file",
	};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (statuses[i].status == reply->status) {
			snprintf(text, STATUS_TEXT_MAX, "%s", statuses[i].text);
			return statuses[i].code != 0 ? statuses[i].code :
						       codes[of];
		}
	status_copy_text(&reply->string, failures[of], text);
	if (strcmp(text, "Failure") == 0)
		snprintf(text, STATUS_TEXT_MAX, "%s", failures[of]);
	return codes[of];
}
