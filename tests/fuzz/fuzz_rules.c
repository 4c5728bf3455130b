/*
 * Rules: what covers another rule matches all that this one matches; and what
 * is found without the user is found with any.  Each line of the input is a
 * value, after a letter that says of what; the others are what is looked for.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "capture/rules.h"
#include "fuzz.h"

#define RULES 4

struct input {
	struct rule rules[RULES];
	size_t n;
	struct rules_request request;
};

static void
take(struct input *input, char *line)
{
	char why[SETTINGS_WHY_MAX];
	struct setting at = { .value = line + 1, .file = "f" };
	struct rule *rule = &input->rules[input->n];

	if (*line == 'h')
		at.key = "match-host";
	else if (*line == 'p')
		at.key = "match-port";
	else if (*line == 'u')
		at.key = "match-user";
	else if (*line == 'H')
		input->request.host = line + 1;
	else if (*line == 'P')
		input->request.port = (uint16_t)atoi(line + 1);
	else if (*line == 'U')
		input->request.user = line + 1;
	else if (*line == 'n' && input->n + 1 < RULES)
		input->n++;
	if (at.key != NULL)
		(void)rule_take(rule, &at, why);
}

static bool
matches(const struct rule *rule, const struct rules_request *request)
{
	const struct rule *found;

	return rules_match(rule, 1, request, &found) == RULES_FOUND;
}

static void
check(const struct input *input)
{
	const struct rules_request *request = &input->request;
	struct rules_request nobody = *request;
	const struct rule *one, *other;

	nobody.user = NULL;
	if (rules_match(input->rules, input->n, &nobody, &one) == RULES_FOUND &&
	    request->user != NULL) {
		assert(rules_match(input->rules, input->n, request, &other) ==
		    RULES_FOUND);
		assert(one == other);
	}
	for (size_t i = 0; i < input->n; i++)
		for (size_t j = 0; j < input->n; j++)
			if (rule_covers(&input->rules[i], &input->rules[j]) &&
			    matches(&input->rules[j], request))
				assert(matches(&input->rules[i], request));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct input input;
	char *text = strndup((const char *)bytes, len), *rest = text, *line;

	input = (struct input) { .request = { .host = "", .user = "" } };
	for (size_t i = 0; i < RULES; i++)
		input.rules[i].name = "r";
	while ((line = strsep(&rest, "\n")) != NULL)
		take(&input, line);
	input.n++;
	check(&input);
	for (size_t i = 0; i < RULES; i++)
		rule_free(&input.rules[i]);
	free(text);
	return 0;
}
