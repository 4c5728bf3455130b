/*
 * An account: what is read has permitted characters only, and is the same when
 * it is written and read again.  Every pattern that is accepted can be used.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/account.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = strndup((const char *)bytes, len);
	char formatted[ACCOUNT_TEXT_MAX];
	struct account account, again;

	assert(text != NULL);
	for (int with_host = 0; with_host < 2; with_host++) {
		const char *const patterns[] = { "*:*", text };

		if (account_parse(text, with_host, &account) != 0)
			continue;
		assert(account_is_valid(&account));
		assert(account.user[0] != '-' && account.host[0] != '-');
		assert(strpbrk(account.user, " %$`;&|<>\"'\\\n(){}*?#!~/=") ==
		    NULL);
		assert(strpbrk(account.host, " %$`;&|<>\"'\\\n(){}*?#!~/=@") ==
		    NULL);
		assert(with_host || account.host[0] == '\0');
		account_format(&account, formatted);
		assert(account_parse(formatted, with_host, &again) == 0);
		assert(memcmp(&account, &again, sizeof(account)) == 0);
		assert(account_is_allowed(&account, patterns, 2));
	}
	if (account_is_pattern(text)) {
		const char *const pattern[] = { text };

		account = (struct account) { .user = "a", .host = "h" };
		(void)account_is_allowed(&account, pattern, 1);
	}
	free(text);
	return 0;
}
