/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * download [PAGES [AT_A_TIME]]: fetches pages from a slow web server (100, and
 * 100 at a time). The server is a child of this process, answers on a port of
 * its own on the local host, and takes 50 ms for each page. Calls that wait
 * need no processor: the fan has as many workers as there shall be calls at a
 * time. Each worker keeps a connection, which open makes and close ends.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "twin.h"

enum { PAGE = 256, DELAY_MS = 50, PAGES_MOST = 10000, WORKERS_MOST = 1000 };

struct page {
	size_t length;
	char text[PAGE];
};

static char base[64];

/* The server: a process for each connection, which is simple and slow. */

static void answer(int client, const char *path)
{
	char body[PAGE], head[PAGE];
	int length = snprintf(body, sizeof(body), "This is %s.\n", path);
	int n = snprintf(head, sizeof(head),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
		"Content-Length: %d\r\n\r\n%s",
		length, body);

	usleep(DELAY_MS * 1000);
	if (send(client, head, (size_t)n, MSG_NOSIGNAL) != n)
		_exit(1);
}

/* serve answers one request after the other until the client has enough. */
static void serve(int client)
{
	char request[4096], path[64];
	size_t have = 0;
	ssize_t n;

	while ((n = recv(client, request + have, sizeof(request) - 1 - have,
			0)) > 0) {
		have += (size_t)n;
		request[have] = '\0';
		if (strstr(request, "\r\n\r\n") == NULL)
			continue;
		if (sscanf(request, "GET %63s", path) != 1)
			_exit(1);
		answer(client, path);
		have = 0;
	}
	_exit(0);
}

static void server(int listening, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = accept(listening, NULL, NULL);

		if (client < 0)
			continue;
		if (fork() == 0)
			serve(client);
		close(client);
	}
}

/* start_server returns its process, which answers at `base`. */
static pid_t start_server(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	pid_t parent = getpid(), child;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listening < 0 ||
		bind(listening, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(listening, 1024) < 0 ||
		getsockname(listening, (struct sockaddr *)&at, &size) < 0)
		return -1;
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", ntohs(at.sin_port));
	child = fork();
	if (child == 0)
		server(listening, parent);
	close(listening);
	return child;
}

/* The client */

static size_t keep(char *data, size_t size, size_t n, void *arg)
{
	struct page *page = arg;

	if (page->length + size * n >= sizeof(page->text))
		return 0;
	memcpy(page->text + page->length, data, size * n);
	page->length += size * n;
	return size * n;
}

static CURLcode fetch(CURL *curl, int number, struct page *page)
{
	char url[128];

	snprintf(url, sizeof(url), "%s/page/%d", base, number);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, page);
	return curl_easy_perform(curl);
}

static int fetch_page(void *in, void *out, leat_worker *w)
{
	CURLcode code = fetch(leat_state(w), *(int *)in, out);

	if (code == CURLE_OK)
		return 0;
	return leat_error(
		w, -EIO, "page %d: %s", *(int *)in, curl_easy_strerror(code));
}

static int open_connection(void **state, leat_worker *w)
{
	(void)w;
	*state = curl_easy_init();
	return *state == NULL ? -ENOMEM : 0;
}

static int by_fan(struct page *pages, int n, uint32_t at_a_time)
{
	leat_fan_opts opts = {.fn = fetch_page,
		.workers = at_a_time,
		.in_size = sizeof(int),
		.out_size = sizeof(struct page),
		.retries = 2,
		.backoff_ns = 100 * LEAT_MS,
		.open = open_connection,
		.close = curl_easy_cleanup};
	leat_done failed;
	leat_fan *fan;
	int rc = leat_fan_open(&fan, &opts);

	if (rc < 0)
		return rc;
	LEAT_SYNCHRONIZED(fan)
	{
		for (int i = 0; i < n && rc == 0; i++)
			rc = leat_call_into(fan, &pages[i], &i, sizeof(i));
	}
	if (rc == 0 && (rc = leat_fan_failure(fan, &failed)) < 0)
		fprintf(stderr, "download: %s\n", failed.text);
	leat_fan_close(fan);
	return rc;
}

static int serially(struct page *pages, int n)
{
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_OK;

	for (int i = 0; i < n && code == CURLE_OK; i++) {
		code = fetch(curl, i, &pages[i]);
		if (code != CURLE_OK)
			fprintf(stderr, "download: page %d: %s\n", i,
				curl_easy_strerror(code));
	}
	curl_easy_cleanup(curl);
	return code == CURLE_OK ? 0 : -EIO;
}

static int both(int n, uint32_t at_a_time)
{
	size_t size = (size_t)n * sizeof(struct page);
	struct page *fans = calloc(1, size), *twins = calloc(1, size);
	uint64_t start = leat_now();
	double took;
	int rc = -ENOMEM;

	if (fans != NULL && twins != NULL)
		rc = by_fan(fans, n, at_a_time);
	took = since(start);
	start = leat_now();
	if (rc == 0)
		rc = serially(twins, n);
	if (rc < 0)
		fprintf(stderr, "download: %s\n", leat_strerror(rc));
	else
		rc = compare("download", took, since(start), fans, twins, size);
	if (rc == 0) {
		printf("The last page: %s", fans[n - 1].text);
		rc = printed("download");
	}
	free(fans);
	free(twins);
	return rc;
}

/* A connection for each worker. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? to_number(argv[1], PAGES_MOST) : 100;
	int at_a_time = argc > 2 ? to_number(argv[2], WORKERS_MOST) : 100;
	pid_t child;
	int rc;

	if (n == 0 || at_a_time == 0) {
		fprintf(stderr, "Usage: download [PAGES [AT_A_TIME]]\n");
		return 2;
	}
	allow_descriptors();
	child = start_server();
	if (child < 0) {
		perror("download: the server");
		return 1;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	rc = both(n, (uint32_t)at_a_time);
	curl_global_cleanup();
	kill(child, SIGTERM);
	return rc != 0;
}
