#include "config/layout_text.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 8, REPEATS_MOST = 1 << 16 };

/// What has been read of a layout.
typedef struct LayoutReader {
    const char *text;
    PipelineLayout *layout;
    bool embedding, head;
} LayoutReader;

static Status refuse(const LayoutReader *reader, const char *at, const char *reason) {
    return status_make(STATUS_RANGE, "layout '%s', from letter %d on ('%.12s'): %s", reader->text,
                       (int)(at - reader->text) + 1, at, reason);
}

/// One letter, once.
static Status take_letter(LayoutReader *reader, const char *at) {
    PipelineLayout *layout = reader->layout;
    const bool first = layout->n == 1 && layout->layers[0] == 0;
    if (reader->head) return refuse(reader, at, "nothing stands behind the head L");
    if (*at == 'E') {
        if (reader->embedding || !first)
            return refuse(reader, at, "the embedding E stands once, before all else");
        reader->embedding = true;
        return status_ok();
    }
    if (!reader->embedding) return refuse(reader, at, "a layout begins with the embedding E");
    switch (*at) {
        case 't':
            if (layout->mtp_layers > 0)
                return refuse(reader, at, "layers t stand before those of prediction m");
            ++layout->layers[layout->n - 1];
            return status_ok();
        case 'm': ++layout->mtp_layers; return status_ok();
        case 'L': reader->head = true; return status_ok();
        default: break;
    }
    if (layout->mtp_layers > 0)
        return refuse(reader, at,
                      "layers of prediction m on another stage than the head L are not "
                      "modelled; write mL behind the last |");
    if (layout->n == CHUNKS_MAX) return refuse(reader, at, "more virtual stages than supported");
    ++layout->n;
    return status_ok();
}

/// "*n" behind a letter or a parenthesis; 1 if there is none. *at moves behind it.
static Status take_times(const LayoutReader *reader, const char **at, long *times) {
    *times = 1;
    if (**at != '*') return status_ok();
    char *end;
    *times = (*at)[1] >= '0' && (*at)[1] <= '9' ? strtol(*at + 1, &end, 10) : 0;
    if (*times < 1 || *times > REPEATS_MOST)
        return refuse(reader, *at, "* wants a count of at least 1 behind it");
    *at = end;
    return status_ok();
}

/// The parenthesis that closes the one at `at`, NULL: none.
static const char *closing(const char *at) {
    int32_t depth = 0;
    for (; *at; ++at) {
        depth += (*at == '(') - (*at == ')');
        if (depth == 0) return at;
    }
    return NULL;
}

static Status take_sequence(LayoutReader *reader, const char *at, const char *end, int32_t depth);

static Status take_item(LayoutReader *reader, const char **at, const char *end, int32_t depth) {
    const char *begin = *at, *behind = begin + 1;
    if (*begin == '(') {
        const char *close = closing(begin);
        if (!close || close >= end || depth == DEPTH_MOST)
            return refuse(reader, begin, "this parenthesis is not closed, or too deep");
        behind = close + 1;
    } else if (!strchr("EtmL|", *begin)) {
        return refuse(reader, begin, "wanted E, t, m, L, |, or (...) with *n behind it");
    }
    long times;
    const char *close = behind - 1;
    TRY(take_times(reader, &behind, &times));
    for (long k = 0; k < times; ++k)
        TRY(*begin == '(' ? take_sequence(reader, begin + 1, close, depth + 1)
                          : take_letter(reader, begin));
    *at = behind;
    return status_ok();
}

static Status take_sequence(LayoutReader *reader, const char *at, const char *end, int32_t depth) {
    while (at < end) {
        if (*at == ',' || *at == ' ')
            ++at;
        else
            TRY(take_item(reader, &at, end, depth));
    }
    return status_ok();
}

Status layout_read(const char *text, PipelineLayout *layout) {
    *layout = (PipelineLayout){.n = 1};
    LayoutReader reader = {.text = text, .layout = layout};
    const char *end = text + strlen(text);
    TRY(take_sequence(&reader, text, end, 0));
    if (!reader.head) return refuse(&reader, end, "a layout ends with the head L");
    return status_ok();
}
