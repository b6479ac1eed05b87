/* loadgen: drives one webhook route over keep-alive HTTP/1.1 and checks every answer.
 *
 * A route allows 120 requests a minute per client address. To measure its speed and not its limiter, every connection
 * sends from a loopback address of its own and moves to a fresh one after PER_ADDRESS requests. Give each run an
 * OFFSET that no run of the last minute has used.
 *
 * usage: LOADGEN_SECRET=... loadgen [-c CONNECTIONS] [-n REQUESTS] [-w WARM_UP] [-k PER_ADDRESS] [-o OFFSET]
 *                                   [-m MODE] [-b BODY] [-e EXPECTED_TEXT] [-s EXPECTED_STATUS] HOST PORT PATH
 *   MODE  create | get | latest | list | summary | lifecycle | body
 *         get and summary create one flow first; lifecycle runs create_flow, run_task, set_waiting, resume_flow,
 *         finish_flow and get_flow on a new flow each time; body sends BODY as it is.
 *
 * Prints one JSON object: requests, seconds, rps, latencies in microseconds, answers by status, and how many were
 * wrong (another status, or without the expected text) or broken (the connection ended before the answer did).
 * Exit status: 0 measured, 1 could not measure, 2 wrong usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000ull
#define STALL_SECONDS 60
#define BODY_BYTES 2048
#define REQUEST_BYTES (BODY_BYTES + 2048)
#define ADDRESSES_PER_BLOCK 250
#define STATUSES 600
#define CREATE_BODY                                                                                              \
    "{\"action\":\"create_flow\",\"goal\":\"Review inbound queue\",\"status\":\"queued\","                       \
    "\"notifyPolicy\":\"done_only\",\"stateJson\":{\"batch\":7,\"items\":[1,2,3]}}"

enum mode { CREATE, GET, LATEST, LIST, SUMMARY, LIFECYCLE, BODY, MODES };
static const char *const MODE_NAMES[MODES] = {"create", "get", "latest", "list", "summary", "lifecycle", "body"};
enum { LIFECYCLE_STEPS = 6 };

struct options {
    enum mode mode;
    int connections, per_address, port, expected_status;
    long requests, warm_up;
    uint32_t offset;
    const char *host, *path, *secret, *body, *expected_text;
};

struct connection {
    int fd, sent_here, step;
    char flow_id[80];
    long revision;
    char request[REQUEST_BYTES];
    size_t request_length, written;
    char *answer;
    size_t answer_length, answer_capacity, head_length, body_length;
    bool is_chunked;
    uint64_t started_ns;
};

struct results {
    uint64_t *latencies_ns, began_ns, ended_ns;
    long by_status[STATUSES], started, finished, wrong, broken;
    char first_wrong[160];
};

static struct options options = {.connections = 8, .per_address = 100, .expected_status = 200, .requests = 5000, .warm_up = 200};
static struct results results;
static char shared_flow_id[80];
static uint32_t next_address;
static int epoll_fd;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("loadgen: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

/* ---- connections ---- */

static int dial(void) {
    uint32_t index = next_address++;
    uint32_t address = 0x7f010001u + index / ADDRESSES_PER_BLOCK % 0xfd00u * 256u + index % ADDRESSES_PER_BLOCK;
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("no socket: %s", strerror(errno));
    if (inet_pton(AF_INET, options.host, &target.sin_addr) != 1) fail("%s is no IPv4 address", options.host);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&source, sizeof source))
        fail("cannot send from %s: %s", inet_ntoa(source.sin_addr), strerror(errno));
    if (connect(fd, (struct sockaddr *)&target, sizeof target))
        fail("cannot connect to %s:%d: %s", options.host, options.port, strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void hang_up(struct connection *connection) {
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
}

static void watch(struct connection *connection, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, operation, connection->fd, &event)) fail("epoll: %s", strerror(errno));
}

/* ---- what is asked, and what is expected ---- */

static void write_lifecycle_body(const struct connection *connection, char *body) {
    const char *flow = connection->flow_id;
    long revision = connection->revision;
    switch (connection->step) {
    case 0: snprintf(body, BODY_BYTES, "{\"action\":\"create_flow\",\"goal\":\"Review inbound queue\"}"); break;
    case 1: snprintf(body, BODY_BYTES, "{\"action\":\"run_task\",\"flowId\":\"%s\",\"runtime\":\"acp\",\"task\":\"Inspect the next message batch\"}", flow); break;
    case 2: snprintf(body, BODY_BYTES, "{\"action\":\"set_waiting\",\"flowId\":\"%s\",\"expectedRevision\":%ld,\"currentStep\":\"await\",\"waitJson\":{\"on\":\"reply\"}}", flow, revision); break;
    case 3: snprintf(body, BODY_BYTES, "{\"action\":\"resume_flow\",\"flowId\":\"%s\",\"expectedRevision\":%ld,\"status\":\"running\"}", flow, revision); break;
    case 4: snprintf(body, BODY_BYTES, "{\"action\":\"finish_flow\",\"flowId\":\"%s\",\"expectedRevision\":%ld,\"stateJson\":{\"done\":true}}", flow, revision); break;
    default: snprintf(body, BODY_BYTES, "{\"action\":\"get_flow\",\"flowId\":\"%s\"}", flow); break;
    }
}

static void write_body(const struct connection *connection, char *body) {
    switch (options.mode) {
    case CREATE: snprintf(body, BODY_BYTES, "%s", CREATE_BODY); break;
    case GET: snprintf(body, BODY_BYTES, "{\"action\":\"get_flow\",\"flowId\":\"%s\"}", shared_flow_id); break;
    case SUMMARY: snprintf(body, BODY_BYTES, "{\"action\":\"get_task_summary\",\"flowId\":\"%s\"}", shared_flow_id); break;
    case LATEST: snprintf(body, BODY_BYTES, "{\"action\":\"find_latest_flow\"}"); break;
    case LIST: snprintf(body, BODY_BYTES, "{\"action\":\"list_flows\"}"); break;
    case LIFECYCLE: write_lifecycle_body(connection, body); break;
    default: snprintf(body, BODY_BYTES, "%s", options.body); break;
    }
}

static const char *expected_text(const struct connection *connection) {
    static const char *const lifecycle[LIFECYCLE_STEPS] = {
        "\"created\":true", "\"created\":true", "\"status\":\"waiting\"", "\"status\":\"running\"", "\"status\":\"succeeded\"", "\"status\":\"succeeded\""};
    if (options.expected_text) return options.expected_text;
    switch (options.mode) {
    case CREATE: return "\"created\":true";
    case GET: return shared_flow_id;
    case LATEST: return "\"flowId\":\"";
    case LIST: return "\"flows\":[";
    case SUMMARY: return "\"byStatus\":{";
    case LIFECYCLE: return lifecycle[connection->step];
    default: return "";
    }
}

static size_t write_request(const struct connection *connection, char *request) {
    char body[BODY_BYTES];
    write_body(connection, body);
    int length = snprintf(request, REQUEST_BYTES,
                          "POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n"
                          "Authorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
                          options.path, options.host, options.port, options.secret, strlen(body), body);
    if (length >= REQUEST_BYTES) fail("the request is longer than %d bytes", REQUEST_BYTES);
    return (size_t)length;
}

/* ---- answers ---- */

static int status_of(const struct connection *connection) {
    int status = atoi(connection->answer + strlen("HTTP/1.1 "));
    return status > 0 && status < STATUSES ? status : 0;
}

static void read_head(struct connection *connection) {
    char *end = memmem(connection->answer, connection->answer_length, "\r\n\r\n", 4);
    if (!end) return;
    connection->head_length = (size_t)(end - connection->answer) + 4;
    *end = 0; /* the head alone is searched; restored below */
    const char *declared = strcasestr(connection->answer, "\r\ncontent-length:");
    connection->is_chunked = strcasestr(connection->answer, "\r\ntransfer-encoding: chunked") != NULL;
    connection->body_length = declared ? strtoul(declared + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    *end = '\r';
}

static bool is_complete(struct connection *connection) {
    if (!connection->head_length) read_head(connection);
    if (!connection->head_length) return false;
    const char *end = connection->answer + connection->answer_length;
    if (connection->is_chunked) return connection->answer_length >= 5 && !memcmp(end - 5, "0\r\n\r\n", 5);
    return connection->answer_length - connection->head_length >= connection->body_length;
}

static bool copy_flow_id(const char *answer, char *flow_id, size_t capacity) {
    const char *start = strstr(answer, "\"flowId\":\"");
    if (!start) return false;
    start += strlen("\"flowId\":\"");
    size_t length = strcspn(start, "\"");
    if (length >= capacity) return false;
    memcpy(flow_id, start, length);
    flow_id[length] = 0;
    return true;
}

static bool check_answer(const struct connection *connection) {
    int status = status_of(connection);
    bool is_right = status == options.expected_status && strstr(connection->answer + connection->head_length, expected_text(connection));
    if (results.finished >= options.warm_up) {
        results.latencies_ns[results.finished - options.warm_up] = now_ns() - connection->started_ns;
        results.by_status[status]++;
    }
    if (!is_right && !results.wrong++)
        snprintf(results.first_wrong, sizeof results.first_wrong, "%s", connection->answer + connection->head_length);
    results.finished++;
    return is_right;
}

static void advance_lifecycle(struct connection *connection, bool is_right) {
    const char *body = connection->answer + connection->head_length;
    if (connection->step == 0) is_right = is_right && copy_flow_id(body, connection->flow_id, sizeof connection->flow_id);
    const char *revision = strstr(body, "\"revision\":");
    if (revision) connection->revision = atol(revision + strlen("\"revision\":"));
    connection->step = is_right ? (connection->step + 1) % LIFECYCLE_STEPS : 0;
}

/* ---- the run ---- */

static void start_request(struct connection *connection) {
    if (results.started >= options.requests + options.warm_up) {
        hang_up(connection);
        return;
    }
    bool is_new = connection->fd < 0 || connection->sent_here >= options.per_address;
    if (is_new) {
        hang_up(connection);
        connection->fd = dial();
        connection->sent_here = 0;
    }
    connection->request_length = write_request(connection, connection->request);
    connection->written = connection->answer_length = connection->head_length = 0;
    connection->sent_here++;
    connection->started_ns = now_ns();
    if (results.started++ == options.warm_up) results.began_ns = connection->started_ns;
    watch(connection, EPOLLOUT, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD);
}

static void give_up(struct connection *connection) {
    hang_up(connection);
    results.broken++;
    if (results.finished >= options.warm_up) results.latencies_ns[results.finished - options.warm_up] = now_ns() - connection->started_ns;
    results.finished++;
    connection->step = 0;
    start_request(connection);
}

static void finish_request(struct connection *connection) {
    bool is_right = check_answer(connection);
    if (options.mode == LIFECYCLE) advance_lifecycle(connection, is_right);
    char *end = connection->answer + connection->head_length - 1;
    char kept = *end;
    *end = 0;
    if (strcasestr(connection->answer, "\r\nconnection: close")) hang_up(connection);
    *end = kept;
    start_request(connection);
}

static void on_writable(struct connection *connection) {
    while (connection->written < connection->request_length) {
        ssize_t count = write(connection->fd, connection->request + connection->written, connection->request_length - connection->written);
        if (count < 0 && errno == EAGAIN) return;
        if (count < 0) {
            give_up(connection);
            return;
        }
        connection->written += (size_t)count;
    }
    watch(connection, EPOLLIN, EPOLL_CTL_MOD);
}

static void make_room(struct connection *connection) {
    if (connection->answer_length + 4096 < connection->answer_capacity) return;
    connection->answer_capacity = connection->answer_capacity ? 2 * connection->answer_capacity : 65536;
    connection->answer = realloc(connection->answer, connection->answer_capacity);
    if (!connection->answer) fail("no memory for an answer of %zu bytes", connection->answer_capacity);
}

static void on_readable(struct connection *connection) {
    for (;;) {
        make_room(connection);
        ssize_t count = read(connection->fd, connection->answer + connection->answer_length, connection->answer_capacity - connection->answer_length - 1);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) {
            give_up(connection);
            return;
        }
        connection->answer_length += (size_t)count;
        connection->answer[connection->answer_length] = 0;
        if (is_complete(connection)) {
            finish_request(connection);
            return;
        }
    }
}

static void run(struct connection *connections) {
    struct epoll_event events[64];
    for (int i = 0; i < options.connections; i++) start_request(&connections[i]);
    while (results.finished < options.requests + options.warm_up) {
        int count = epoll_wait(epoll_fd, events, 64, STALL_SECONDS * 1000);
        if (count == 0) fail("no answer for %d s, after %ld of %ld", STALL_SECONDS, results.finished, options.requests + options.warm_up);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->fd < 0) continue;
            if (events[i].events & EPOLLOUT) on_writable(connection);
            else on_readable(connection);
        }
    }
    results.ended_ns = now_ns();
}

/* Creates the one flow that get and summary ask for, by a run of one request. */
static void create_shared_flow(void) {
    struct options asked = options;
    struct connection connection = {.fd = -1};
    uint64_t latency;
    options.mode = CREATE, options.requests = 1, options.warm_up = 0, options.connections = 1, options.expected_text = NULL;
    results.latencies_ns = &latency;
    run(&connection);
    if (results.wrong || !copy_flow_id(connection.answer, shared_flow_id, sizeof shared_flow_id))
        fail("could not create a flow: %.300s", connection.answer ? connection.answer : "no answer");
    free(connection.answer);
    options = asked;
    memset(&results, 0, sizeof results);
}

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static double percentile_us(double share) {
    long index = (long)(share * (double)(options.requests - 1));
    return (double)results.latencies_ns[index] / 1e3;
}

static void print_results(void) {
    double seconds = (double)(results.ended_ns - results.began_ns) / (double)NS_PER_SECOND;
    qsort(results.latencies_ns, (size_t)options.requests, sizeof *results.latencies_ns, compare);
    printf("{\"mode\":\"%s\",\"connections\":%d,\"requests\":%ld,\"seconds\":%.4f,\"rps\":%.1f,", MODE_NAMES[options.mode], options.connections, options.requests, seconds, (double)options.requests / seconds);
    printf("\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f,", percentile_us(0.5), percentile_us(0.9), percentile_us(0.99), percentile_us(1));
    printf("\"wrong\":%ld,\"broken\":%ld,\"addresses\":%u,\"status\":{", results.wrong, results.broken, next_address - options.offset);
    const char *separator = "";
    for (int status = 0; status < STATUSES; status++)
        if (results.by_status[status]) {
            printf("%s\"%d\":%ld", separator, status, results.by_status[status]);
            separator = ",";
        }
    printf("}}\n");
    if (results.wrong) fprintf(stderr, "loadgen: first wrong answer: %s\n", results.first_wrong);
}

/* ---- the command line ---- */

static long parse_number(const char *text, const char *name, long minimum) {
    char *end;
    long number = strtol(text, &end, 10);
    if (*end || end == text || number < minimum || number > INT32_MAX) {
        fprintf(stderr, "loadgen: %s must be a whole number of at least %ld, not %s\n", name, minimum, text);
        exit(2);
    }
    return number;
}

static enum mode parse_mode(const char *text) {
    for (int mode = 0; mode < MODES; mode++)
        if (!strcmp(text, MODE_NAMES[mode])) return (enum mode)mode;
    fprintf(stderr, "loadgen: unknown mode %s\n", text);
    exit(2);
}

static void parse_option(int name) {
    switch (name) {
    case 'c': options.connections = (int)parse_number(optarg, "-c", 1); break;
    case 'n': options.requests = parse_number(optarg, "-n", 1); break;
    case 'w': options.warm_up = parse_number(optarg, "-w", 0); break;
    case 'k': options.per_address = (int)parse_number(optarg, "-k", 1); break;
    case 'o': options.offset = (uint32_t)parse_number(optarg, "-o", 0); break;
    case 's': options.expected_status = (int)parse_number(optarg, "-s", 100); break;
    case 'm': options.mode = parse_mode(optarg); break;
    case 'b': options.body = optarg, options.mode = BODY; break;
    case 'e': options.expected_text = optarg; break;
    default: exit(2);
    }
}

static void parse_command_line(int count, char **values) {
    int name;
    while ((name = getopt(count, values, "c:n:w:k:o:s:m:b:e:")) != -1) parse_option(name);
    options.secret = getenv("LOADGEN_SECRET");
    if (count - optind != 3 || !options.secret || (options.mode == BODY && !options.body)) {
        fputs("usage: LOADGEN_SECRET=... loadgen [options] HOST PORT PATH (see the head of loadgen.c)\n", stderr);
        exit(2);
    }
    options.host = values[optind];
    options.port = (int)parse_number(values[optind + 1], "PORT", 1);
    options.path = values[optind + 2];
}

int main(int count, char **values) {
    parse_command_line(count, values);
    next_address = options.offset;
    if ((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) fail("no epoll: %s", strerror(errno));
    if (options.mode == GET || options.mode == SUMMARY) create_shared_flow();
    struct connection *connections = calloc((size_t)options.connections, sizeof *connections);
    results.latencies_ns = calloc((size_t)options.requests, sizeof *results.latencies_ns);
    if (!connections || !results.latencies_ns) fail("no memory");
    for (int i = 0; i < options.connections; i++) connections[i].fd = -1;
    run(connections);
    print_results();
    return results.finished ? 0 : 1;
}
