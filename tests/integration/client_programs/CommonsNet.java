/*
 * Calls methods of Apache Commons Net's FTPClient.
 *
 *	CommonsNet HOST PORT USER PASSWORD active|passive "METHOD ARGUMENT..."...
 *
 * An argument cannot contain a blank.
 */
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPClient;
import org.apache.commons.net.ftp.FTPFile;

class CommonsNet {
	private static final FTPClient ftp = new FTPClient();

	private static boolean fetch(String remote, String local)
	    throws Exception {
		try (OutputStream file = new FileOutputStream(local)) {
			return ftp.retrieveFile(remote, file);
		}
	}

	private static boolean store(String method, String local, String remote)
	    throws Exception {
		try (InputStream file = new FileInputStream(local)) {
			switch (method) {
			case "append":
				return ftp.appendFile(remote, file);
			case "unique":
				return ftp.storeUniqueFile(remote, file);
			default:
				return ftp.storeFile(remote, file);
			}
		}
	}

	private static boolean print(FTPFile[] files) {
		for (FTPFile one : files)
			System.out.println((one.isDirectory() ? "d " : "f ")
			    + one.getSize() + " "
			    + one.getTimestampInstant() + " " + one.getName());
		return true;
	}

	private static boolean say(String text) {
		System.out.println(text);
		return text != null;
	}

	private static boolean call(String[] words) throws Exception {
		switch (words[0]) {
		case "get":
			return fetch(words[1], words[2]);
		case "list":
			return print(ftp.listFiles(words[1]));
		case "mlsd":
			return print(ftp.mlistDir(words[1]));
		case "mlst":
			return print(new FTPFile[] {ftp.mlistFile(words[1])});
		case "names":
			return say(String.join("\n", ftp.listNames(words[1])));
		case "size":
			return say(ftp.getSize(words[1]));
		case "mdtm":
			return say(ftp.getModificationTime(words[1]));
		case "mfmt":
			return ftp.setModificationTime(words[1], words[2]);
		case "mkdir":
			return ftp.makeDirectory(words[1]);
		case "cwd":
			return ftp.changeWorkingDirectory(words[1]);
		case "rename":
			return ftp.rename(words[1], words[2]);
		case "delete":
			return ftp.deleteFile(words[1]);
		case "restart":
			ftp.setRestartOffset(Long.parseLong(words[1]));
			return true;
		case "feature":
			return ftp.hasFeature(words[1]);
		default:
			return store(words[0], words[1], words[2]);
		}
	}

	public static void main(String[] arguments) throws Exception {
		ftp.connect(arguments[0], Integer.parseInt(arguments[1]));
		if (!ftp.login(arguments[2], arguments[3]) ||
		    !ftp.setFileType(FTP.BINARY_FILE_TYPE))
			System.exit(1);
		if (arguments[4].equals("passive"))
			ftp.enterLocalPassiveMode();
		for (int i = 5; i < arguments.length; i++)
			if (!call(arguments[i].split(" "))) {
				System.out.println(arguments[i] + ": "
				    + ftp.getReplyString());
				System.exit(1);
			}
		ftp.logout();
	}
}
