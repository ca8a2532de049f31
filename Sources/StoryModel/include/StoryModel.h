// The embedded default model and its draft: GGUF files linked into the program, so that it answers with nothing beside it.
// How they were trained: README.md here.
#ifndef STORYMODEL_H
#define STORYMODEL_H

#include <stddef.h>

typedef struct {
    const unsigned char *bytes;
    size_t count;
} nt_embedded_file;

// The model that is served when no other is named.
nt_embedded_file nt_story_model(void);

// A quarter of its size, with the same tokeniser: it will draft for the other.
nt_embedded_file nt_draft_model(void);

#endif
