"""A worker process; the supervisor starts it, with the channel between them as a descriptor."""

import sys

from adapters.server import reactor

if __name__ == "__main__":
    loop = reactor.install()
    from adapters.server.workers.worker import main  # behind the reactor

    sys.exit(main(int(sys.argv[1]), loop))
