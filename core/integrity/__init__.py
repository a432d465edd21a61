"""Whether a mailbox database keeps its promises (`audit`), and what makes it keep them again (`repair`, `bodies`)."""
