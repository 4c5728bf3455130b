/*
 * What ssh prints, line by line: every fact and every text of a finding ends
 * within its buffer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "check/advice.h"
#include "check/judge.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct facts facts;
	static struct advice advice;
	char *text = malloc(len + 1), *rest = NULL, *line;

	assert(text != NULL);
	memcpy(text, bytes, len);
	text[len] = '\0';
	memset(&facts, 0, sizeof(facts));
	for (line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		facts_read_line(&facts, line);
	for (int finding = 0; finding < FINDINGS; finding++) {
		advice_make((enum finding)finding, &facts, &advice);
		assert(memchr(advice.text, '\0', sizeof(advice.text)) != NULL);
	}
	assert(judge_ssh(&facts) < FINDINGS);
	assert(!facts_key_has(&facts, "x") ||
	    fact_known(&facts, FACT_KEY_OPTIONS));
	free(text);
	return 0;
}
