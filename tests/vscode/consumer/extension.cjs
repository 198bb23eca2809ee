// Another extension, which uses the provider's API for the user.
const { authentication, commands, window } = require("vscode");

exports.activate = (context) => {
  context.subscriptions.push(
    commands.registerCommand("consumer.ask", async () => {
      const scopes = ["read:me"];
      const session = await authentication.getSession("twg-atlassian", scopes, { createIfNone: true });
      const response = await fetch(`${process.env.API}/me`, { headers: { authorization: `Bearer ${session.accessToken}` } });
      const { name } = await response.json();
      void window.showInformationMessage(`The API says ${response.status} to ${session.account.label}, and ${name}`);
    }),
  );
};
