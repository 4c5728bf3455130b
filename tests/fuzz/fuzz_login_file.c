/*
 * A login file: each user that is found has a line of its own in the text, and
 * the fields of that line.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/login_file.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char *const names[] = { "a", "b", "", "#", "a b" };
	const char *text = (const char *)bytes;
	char why[LOGIN_FILE_WHY_MAX] = "";
	struct login_file *file = login_file_parse(text, len, why, sizeof(why));

	assert((file == NULL) == (why[0] != '\0'));
	for (size_t i = 0; file != NULL && i < 5; i++) {
		const struct login_user *user = login_file_find(file, names[i]);
		size_t name_len = strlen(names[i]);

		assert(login_file_stand_in(file, names[i])[0] == '$');
		if (user == NULL)
			continue;
		assert(user->at + user->len <= len);
		assert(memcmp(text + user->at, names[i], name_len) == 0);
		assert(text[user->at + name_len] == ':');
		assert(memcmp(text + user->at + name_len + 1, user->hash,
			   strlen(user->hash)) == 0);
		assert(user->at + user->len == len ||
		    text[user->at + user->len] == '\n');
	}
	login_file_free(file);
	return 0;
}
