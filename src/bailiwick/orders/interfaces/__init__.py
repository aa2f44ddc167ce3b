"""How clients reach orders."""
