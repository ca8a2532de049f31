#include "StoryModel.h"

// 64: tensors lie at multiples of 32 in the file, and a cache line is 64 bytes.
_Alignas(64) static const unsigned char story[] = {
#embed "story.gguf"
};

_Alignas(64) static const unsigned char draft[] = {
#embed "draft.gguf"
};

nt_embedded_file nt_story_model(void) { return (nt_embedded_file){story, sizeof story}; }

nt_embedded_file nt_draft_model(void) { return (nt_embedded_file){draft, sizeof draft}; }
