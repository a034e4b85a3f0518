/// job_words.h: the lists of words in a training job, each a small language: what is recomputed, what leaves the GPU, what
/// is captured in CUDA graphs.
#ifndef COLOSSIM_CONFIG_JOB_WORDS_H
#define COLOSSIM_CONFIG_JOB_WORDS_H

#include "config/job_file.h"

/// Turn the words of a file into its job; false after reporting the wrong ones, each at its place.
bool job_words_read(Reader *reader, const Node *node, JobFile *file);

#endif
