#include "par/exchange.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "par/comm_mpi.h"

enum { TAG_FIRST, TAG_REST };

/// What stands at the front of every parcel.
typedef struct Wire {
    int64_t header[EXCHANGE_HEADER_WORDS];
    int64_t
        payload_bytes; ///< of the whole parcel: records, each an int64_t length and padded bytes
    int64_t round;     ///< both sides count; a difference is our own mistake
} Wire;

enum { FIRST_MESSAGE_BYTES = (int)sizeof(Wire) + EXCHANGE_EAGER_BYTES };

/// One parcel under way: a Wire and its payload behind it.
typedef struct Parcel {
    char *bytes;
    int64_t capacity;
} Parcel;

struct Exchange {
    MPI_Comm mpi; ///< our own duplicate, so that two exchanges cannot take each other's messages
    int rank, nranks;
    Parcel *out;           ///< out[nranks]; out[rank] becomes in[half][rank] by exchange of the two
    Parcel *in[2];         ///< in[half][nranks]
    int half;              ///< which half holds the last round
    MPI_Request *requests; ///< requests[2 * nranks]: receives by rank, then sends by rank
    int64_t header[EXCHANGE_HEADER_WORDS];
    int read_rank;   ///< cursor of exchange_next
    int64_t read_at; ///< offset of the next record within the payload
    ExchangeStats stats;
};

static const char *const exchange_label = "exchange";

static Wire *wire_of(const Parcel *parcel) { return (Wire *)(void *)parcel->bytes; }

static char *payload_of(const Parcel *parcel) { return parcel->bytes + sizeof(Wire); }

/// Make room for a payload; contents are kept.
static void parcel_reserve(Parcel *parcel, int64_t payload_bytes) {
    int64_t wanted = (int64_t)sizeof(Wire) + payload_bytes;
    if (wanted <= parcel->capacity) return;
    int64_t grown = 2 * parcel->capacity > wanted ? 2 * parcel->capacity : wanted;
    parcel->bytes =
        memory_resize(exchange_label, parcel->bytes, (size_t)parcel->capacity, (size_t)grown);
    parcel->capacity = grown;
}

static Parcel *parcels_create(int nranks) {
    Parcel *parcels = memory_alloc(exchange_label, (size_t)nranks * sizeof *parcels);
    for (int r = 0; r < nranks; r++) parcel_reserve(&parcels[r], EXCHANGE_EAGER_BYTES);
    return parcels;
}

static void parcels_destroy(Parcel *parcels, int nranks) {
    for (int r = 0; r < nranks; r++)
        memory_free(exchange_label, parcels[r].bytes, (size_t)parcels[r].capacity);
    memory_free(exchange_label, parcels, (size_t)nranks * sizeof *parcels);
}

/// Post the receives of the next round into the half that is not being read.
static void post_receives(Exchange *exchange) {
    const Parcel *in = exchange->in[1 - exchange->half];
    for (int r = 0; r < exchange->nranks; r++) {
        if (r == exchange->rank) continue;
        MPI_Irecv(in[r].bytes, FIRST_MESSAGE_BYTES, MPI_BYTE, r, TAG_FIRST, exchange->mpi,
                  &exchange->requests[r]);
    }
}

Exchange *exchange_create(const Comm *comm) {
    Exchange *exchange = memory_alloc(exchange_label, sizeof *exchange);
    int nranks = comm_nranks(comm);
    exchange->rank = comm_rank(comm);
    exchange->nranks = nranks;
    exchange->read_rank = nranks;
    exchange->out = parcels_create(nranks);
    exchange->in[0] = parcels_create(nranks);
    exchange->in[1] = parcels_create(nranks);
    exchange->requests = memory_alloc(exchange_label, 2 * (size_t)nranks * sizeof(MPI_Request));
    for (int i = 0; i < 2 * nranks; i++) exchange->requests[i] = MPI_REQUEST_NULL;
    if (nranks > 1) {
        MPI_Comm_dup(comm_mpi(comm), &exchange->mpi);
        post_receives(exchange);
    }
    return exchange;
}

void exchange_destroy(Exchange *exchange) {
    if (!exchange) return;
    int nranks = exchange->nranks;
    if (nranks > 1) {
        // The receives posted ahead have no sender any more.
        for (int r = 0; r < nranks; r++)
            if (exchange->requests[r] != MPI_REQUEST_NULL) MPI_Cancel(&exchange->requests[r]);
        MPI_Waitall(nranks, exchange->requests, MPI_STATUSES_IGNORE);
        MPI_Comm_free(&exchange->mpi);
    }
    memory_free(exchange_label, exchange->requests, 2 * (size_t)nranks * sizeof(MPI_Request));
    parcels_destroy(exchange->out, nranks);
    parcels_destroy(exchange->in[0], nranks);
    parcels_destroy(exchange->in[1], nranks);
    memory_free(exchange_label, exchange, sizeof *exchange);
}

static size_t padded(size_t n) { return (n + 7) & ~(size_t)7; }

void exchange_put(Exchange *exchange, int to_rank, const void *bytes, size_t n) {
    CHECK(to_rank >= 0 && to_rank < exchange->nranks, "rank %d of %d", to_rank, exchange->nranks);
    Parcel *parcel = &exchange->out[to_rank];
    int64_t used = wire_of(parcel)->payload_bytes, length = (int64_t)n;
    int64_t end = used + (int64_t)sizeof length + (int64_t)padded(n);
    parcel_reserve(parcel, end);
    char *record = payload_of(parcel) + used;
    memcpy(record, &length, sizeof length);
    if (n > 0) memcpy(record + sizeof length, bytes, n);
    // Padding is sent too: leave no bytes of an earlier round in it.
    memset(record + sizeof length + n, 0, padded(n) - n);
    wire_of(parcel)->payload_bytes = end;
}

void exchange_put_all(Exchange *exchange, const void *bytes, size_t n) {
    for (int r = 0; r < exchange->nranks; r++) exchange_put(exchange, r, bytes, n);
}

void exchange_set_header(Exchange *exchange, const int64_t header[EXCHANGE_HEADER_WORDS]) {
    memcpy(exchange->header, header, sizeof exchange->header);
}

/// What is behind the first message.
static int64_t rest_bytes(const Parcel *parcel) {
    int64_t payload = wire_of(parcel)->payload_bytes;
    return payload > EXCHANGE_EAGER_BYTES ? payload - EXCHANGE_EAGER_BYTES : 0;
}

static void seal(Exchange *exchange, Parcel *parcel) {
    Wire *wire = wire_of(parcel);
    memcpy(wire->header, exchange->header, sizeof wire->header);
    wire->round = exchange->stats.rounds;
}

static void send_first(Exchange *exchange, int to_rank) {
    Parcel *parcel = &exchange->out[to_rank];
    int bytes = (int)sizeof(Wire) + (int)(wire_of(parcel)->payload_bytes - rest_bytes(parcel));
    MPI_Isend(parcel->bytes, bytes, MPI_BYTE, to_rank, TAG_FIRST, exchange->mpi,
              &exchange->requests[exchange->nranks + to_rank]);
    exchange->stats.messages++;
    exchange->stats.bytes += bytes;
}

/// Until everything posted has come and gone.
static void wait_all(Exchange *exchange) {
    int64_t begin_ns = comm_clock_ns();
    MPI_Waitall(2 * exchange->nranks, exchange->requests, MPI_STATUSES_IGNORE);
    exchange->stats.wait_ns += comm_clock_ns() - begin_ns;
}

/// The message that begins `at` bytes behind the first one; 0: there is none.
static int piece_at(const Parcel *parcel, int64_t at) {
    int64_t left = rest_bytes(parcel) - at;
    return left <= 0 ? 0 : left < COMM_PIECE_BYTES ? (int)left : COMM_PIECE_BYTES;
}

/// Send and receive one piece of what did not fit into the first messages; false if there was none.
static bool pass_piece(Exchange *exchange, int64_t at) {
    bool any = false;
    for (int r = 0; r < exchange->nranks; r++) {
        if (r == exchange->rank) continue;
        Parcel *in = &exchange->in[exchange->half][r];
        const Parcel *out = &exchange->out[r];
        int to_receive = piece_at(in, at), to_send = piece_at(out, at);
        any = any || to_receive > 0 || to_send > 0;
        if (to_receive > 0) {
            parcel_reserve(in, wire_of(in)->payload_bytes);
            MPI_Irecv(in->bytes + FIRST_MESSAGE_BYTES + at, to_receive, MPI_BYTE, r, TAG_REST,
                      exchange->mpi, &exchange->requests[r]);
        }
        if (to_send > 0) {
            MPI_Isend(out->bytes + FIRST_MESSAGE_BYTES + at, to_send, MPI_BYTE, r, TAG_REST,
                      exchange->mpi, &exchange->requests[exchange->nranks + r]);
            exchange->stats.messages++;
            exchange->stats.bytes += to_send;
        }
    }
    if (any) wait_all(exchange);
    return any;
}

static void deliver_to_others(Exchange *exchange) {
    int nranks = exchange->nranks;
    // Start after ourselves: otherwise all ranks would begin with rank 0.
    for (int i = 1; i < nranks; i++) {
        int to_rank = (exchange->rank + i) % nranks;
        seal(exchange, &exchange->out[to_rank]);
        send_first(exchange, to_rank);
    }
    wait_all(exchange);
    for (int r = 0; r < nranks; r++) {
        if (r == exchange->rank) continue;
        const Parcel *in = &exchange->in[exchange->half][r];
        CHECK(wire_of(in)->round == exchange->stats.rounds, "round %lld of rank %d meets our %lld",
              (long long)wire_of(in)->round, r, (long long)exchange->stats.rounds);
    }
    for (int64_t at = 0; pass_piece(exchange, at);) at += COMM_PIECE_BYTES;
    for (int r = 0; r < nranks; r++) wire_of(&exchange->out[r])->payload_bytes = 0;
    post_receives(exchange);
}

/// Our own parcel changes sides without a copy.
static void deliver_to_self(Exchange *exchange) {
    Parcel *out = &exchange->out[exchange->rank],
           *in = &exchange->in[exchange->half][exchange->rank];
    seal(exchange, out);
    Parcel sealed = *out;
    *out = *in;
    *in = sealed;
    wire_of(out)->payload_bytes = 0;
}

void exchange_run(Exchange *exchange) {
    exchange->half = 1 - exchange->half;
    deliver_to_self(exchange);
    if (exchange->nranks > 1) deliver_to_others(exchange);
    exchange->stats.rounds++;
    exchange->read_rank = 0;
    exchange->read_at = 0;
}

bool exchange_next(Exchange *exchange, int *from_rank, const void **bytes, size_t *n) {
    const Parcel *in = exchange->in[exchange->half];
    while (exchange->read_rank < exchange->nranks &&
           exchange->read_at == wire_of(&in[exchange->read_rank])->payload_bytes) {
        exchange->read_rank++;
        exchange->read_at = 0;
    }
    if (exchange->read_rank == exchange->nranks) return false;
    const char *record = payload_of(&in[exchange->read_rank]) + exchange->read_at;
    int64_t length;
    memcpy(&length, record, sizeof length);
    *from_rank = exchange->read_rank;
    *bytes = record + sizeof length;
    *n = (size_t)length;
    exchange->read_at += (int64_t)sizeof length + (int64_t)padded((size_t)length);
    return true;
}

const int64_t *exchange_header(const Exchange *exchange, int rank) {
    CHECK(rank >= 0 && rank < exchange->nranks, "rank %d of %d", rank, exchange->nranks);
    return wire_of(&exchange->in[exchange->half][rank])->header;
}

int64_t exchange_header_min(const Exchange *exchange, int word) {
    int64_t least = exchange_header(exchange, 0)[word];
    for (int r = 1; r < exchange->nranks; r++) {
        int64_t value = exchange_header(exchange, r)[word];
        if (value < least) least = value;
    }
    return least;
}

ExchangeStats exchange_stats(const Exchange *exchange) { return exchange->stats; }
