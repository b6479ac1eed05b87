"""The configuration that a server without one starts from: one route with a random secret, each field explained."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Final

from project.data_folder import make_data_folder, write_private

_TEMPLATE: Final = Template("""\
// The webhook routes of this server. Written by its first start, and yours from then on: it is never written again.
// JSON5: comments and trailing commas are welcome. Changes take effect after a restart.
{
  plugins: {
    entries: {
      webhooks: {
        // false: no route is served.
        enabled: true,
        config: {
          routes: {
            // The route's id. Callers see it in every answer.
            starter: {
              // false: this path answers 404. Default: true.
              enabled: true,
              // The address that callers POST to. Default: /plugins/webhooks/<route id>. Unique among the routes.
              path: "/plugins/webhooks/starter",
              // The session whose TaskFlows this route creates, sees and changes. Callers never see it. Required.
              sessionKey: "agent:main:main",
              // What callers present as "Authorization: Bearer ...". Required. Better than text in this file is a
              // reference that is looked up on each request, so that it can be changed without a restart:
              //   secret: { source: "env", provider: "default", id: "OPENCLAW_WEBHOOK_SECRET" },
              secret: "$secret",
              // The controller of a flow that is created without one. Default: webhooks/<route id>.
              controllerId: "webhooks/starter",
              // A note for whoever reads this file.
              description: "Made by the first start",
            },
          },
        },
      },
    },
  },
}
""")


def write_starter(path: Path, *, secret: str) -> bool:
    """Write the starter configuration, readable by its owner alone.

    Args:
        path: Where; the folder is made.
        secret: The route's secret, URL-safe text.

    Returns:
        Whether it was written; a file that is there is never touched.

    Raises:
        OSError: It cannot be written.
    """
    make_data_folder(path.parent)
    return write_private(path, _TEMPLATE.substitute(secret=secret))
